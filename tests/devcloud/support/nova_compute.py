"""nova-compute with the folder of the virt driver on the path of nova.virt."""

import sys
from pathlib import Path

import nova.virt
from nova.cmd import compute

nova.virt.__path__.append(str(Path(__file__).with_name("nova_virt")))
sys.argv[0] = "nova-compute"
compute.main()
