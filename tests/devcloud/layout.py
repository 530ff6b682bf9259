"""Where the devcloud's files are, and the ports its services listen on, all on 127.0.0.1."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SUPPORT = HERE / "support"
PASSWORD = "devcloud"
REGION = "RegionOne"
SECOND_REGION = "RegionTwo"
"""Another name in the catalogue for the same services."""
PROJECTS = ("demo", "tests")
"""Each with a user of the same name; the second is left to the tests."""
COMPUTES = ("compute1", "compute2")

KEYSTONE, PLACEMENT, GLANCE, NOVA, NEUTRON, CINDER, SWIFT = (
    15000, 18778, 19292, 18774, 19696, 18776, 18080,
)  # fmt: skip
TROVE = 18779
RABBIT, RABBIT_DISTRIBUTION, EPMD, MEMCACHED = 15673, 15674, 14369, 15211
SWIFT_STORES = {"account": 16202, "container": 16201, "object": 16200}
AUTH = f"http://127.0.0.1:{KEYSTONE}/v3"


def image_id(name: str) -> str:
    """The id of an image, by which a hypervisor knows what is in it."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


@dataclass(frozen=True)
class Layout:
    """``run`` has everything of one running cloud, ``cache`` what the next one can use again."""

    run: Path
    cache: Path

    @property
    def etc(self) -> Path:
        return self.run / "etc"

    @property
    def log(self) -> Path:
        return self.run / "log"

    @property
    def venv(self) -> Path:
        return self.cache / "venv"

    @property
    def database_socket(self) -> Path:
        return self.run / "mysql.sock"

    @property
    def clouds(self) -> Path:
        """The clouds.yaml with which clients find the cloud."""
        return self.run / "clouds.yaml"

    def program(self, name: str) -> str:
        return str(self.venv / "bin" / name)

    def folder(self, *parts: str) -> Path:
        path = self.run.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path


def here() -> Layout:
    """The one devcloud of this machine and user."""
    # Database servers run as users of their own: they must pass through, and sockets in
    # guests want a short path, so it does not lie in the home folder.
    run = Path(os.environ.get("DEVCLOUD_RUN", f"/tmp/dc-{os.getuid()}"))
    caches = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Layout(run, caches / "gitrove" / "devcloud")
