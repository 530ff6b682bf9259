"""``swift_daemon.py SWIFT_DIR MODULE CONF...``: run one of Swift's daemons.

Expirer and updaters read swift.conf before they set their folder; it is set first here.
"""

import importlib
import sys

from swift.common import utils

utils.set_swift_dir(sys.argv.pop(1))
sys.exit(importlib.import_module(sys.argv.pop(1)).main())
