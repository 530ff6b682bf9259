"""``python -m tests.devcloud up|down|status``: a real OpenStack on this machine."""

from __future__ import annotations

import subprocess
import sys

from tests.devcloud import cloud, services
from tests.devcloud.layout import here


def main(arguments: list[str]) -> int:
    layout = here()
    match arguments:
        case ["up"]:
            try:
                cloud.up(layout, lambda text: print(text, flush=True))
            except (services.NotUp, subprocess.CalledProcessError) as error:
                print(f"{error}\nThe logs are in {layout.log}", file=sys.stderr)
                return 1
            print(f"export OS_CLIENT_CONFIG_FILE={layout.clouds}")
            print("Clouds in it: devcloud (a member), devcloud-admin")
        case ["down"]:
            cloud.down(layout)
        case ["status"]:
            for name in (*services.INFRASTRUCTURE, *services.SERVICES):
                found = services.process(layout, name).find()
                print(f"{name:24}{f'process {found.pid}' if found else 'down'}")
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
