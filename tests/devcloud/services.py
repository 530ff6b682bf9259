"""The processes of the devcloud: what each runs, in which order they start and stop."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from guest_agent.toolkit.processes import ServerProcess, wait_until
from tests.devcloud import layout as ports
from tests.devcloud.layout import COMPUTES, ROOT, SUPPORT, Layout
from tests.devcloud.support import process_trees

INFRASTRUCTURE = ("epmd", "rabbitmq", "memcached", "mariadb")
_STOP_SECONDS = 20.0
_READY_SECONDS = 240.0


class NotUp(Exception):
    """A service did not come up; the text names its log."""


def environment(layout: Layout) -> dict[str, str]:
    etc = layout.etc
    return {
        "PATH": f"{layout.venv}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(layout.run),
        "LANG": "C.UTF-8",
        "PYTHONPATH": f"{SUPPORT}:{ROOT}",
        "PYTHONWARNINGS": "ignore",
        "OS_KEYSTONE_CONFIG_DIR": str(etc / "keystone"),
        "OS_PLACEMENT_CONFIG_DIR": str(etc / "placement"),
        "OS_GLANCE_CONFIG_DIR": str(etc / "glance"),
        "OS_NOVA_CONFIG_DIR": str(etc / "nova"),
        "OS_NOVA_CONFIG_FILES": "api-paste.ini;nova.conf;api.conf",
        "OS_NEUTRON_CONFIG_DIR": str(etc / "neutron"),
        "OS_NEUTRON_CONFIG_FILES": "neutron.conf",
        "DEVCLOUD_GUESTS": str(layout.run / "guests"),
        "DEVCLOUD_GUEST_PYTHON": str(ROOT / ".venv" / "bin" / "python"),
        "DEVCLOUD_ROOT": str(ROOT),
    }


def process(layout: Layout, name: str) -> ServerProcess:
    folder = layout.folder("processes")
    return ServerProcess(folder / name, layout.log / f"{name}.out")


def start(layout: Layout, names: Iterable[str]) -> None:
    for name in names:
        variables = environment(layout) | _variables(layout, name)
        prefix = ["env", "-i", *(f"{key}={value}" for key, value in variables.items())]
        process(layout, name).start([*prefix, *_command(layout, name)])


def stop(layout: Layout, names: Iterable[str]) -> None:
    """End these and everything that they started: asked first, then killed."""
    trees: list[psutil.Process] = []
    for name in names:
        found = process(layout, name).find()
        if found is not None:
            trees += [found, *found.children(recursive=True)]
    for each in trees:
        _signal(each, kill=False)
    _, left = psutil.wait_procs(trees, _STOP_SECONDS)
    for each in left:
        _signal(each, kill=True)
    psutil.wait_procs(left, _STOP_SECONDS)


def kill(layout: Layout, name: str) -> None:
    """Kill -9 one service with everything that it started."""
    process_trees.kill(process(layout, name))


def _signal(each: psutil.Process, *, kill: bool) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        each.kill() if kill else each.terminate()


def start_infrastructure(layout: Layout) -> None:
    """RabbitMQ, memcached and MariaDB, until they answer."""
    if not (layout.run / "mysql").is_dir():
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={layout.run}/mysql",
             "--auth-root-authentication-method=normal", "--skip-test-db",
             *(["--user=root"] if os.geteuid() == 0 else [])],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    start(layout, INFRASTRUCTURE)
    for name, address in (
        ("mariadb", str(layout.database_socket)),
        ("memcached", ("127.0.0.1", ports.MEMCACHED)),
        ("rabbitmq", ("127.0.0.1", ports.RABBIT)),
    ):
        _wait(layout, name, lambda address=address: _accepts(address))


SERVICES = (
    "keystone", "placement", "neutron", "nova", "nova-conductor", "nova-scheduler", *COMPUTES,
    "glance", "cinder", "cinder-scheduler", "cinder-volume", "swift-proxy", "swift-account",
    "swift-container", "swift-object", "swift-expirer", "swift-container-updater", "swift-updater",
)  # fmt: skip

_APIS = {
    "keystone": ports.AUTH,
    "placement": f"http://127.0.0.1:{ports.PLACEMENT}/",
    "glance": f"http://127.0.0.1:{ports.GLANCE}/healthcheck",
    "nova": f"http://127.0.0.1:{ports.NOVA}/",
    "neutron": f"http://127.0.0.1:{ports.NEUTRON}/",
    "cinder": f"http://127.0.0.1:{ports.CINDER}/",
    "trove": f"http://127.0.0.1:{ports.TROVE}/",
    "swift-proxy": f"http://127.0.0.1:{ports.SWIFT}/healthcheck",
}


def wait_for_apis(layout: Layout, names: Iterable[str] = SERVICES) -> None:
    """Raises NotUp."""
    for name in [each for each in names if each in _APIS]:
        _wait(layout, name, lambda name=name: _answers(_APIS[name]))


def _wait(layout: Layout, name: str, up: Callable[[], bool]) -> None:
    one = process(layout, name)
    started = time.monotonic()
    if not wait_until(lambda: up() or not one.running(), _READY_SECONDS) or not one.running():
        after = time.monotonic() - started
        raise NotUp(f"{name} is not up after {after:.0f} s\n{one.log_tail()}")


def _accepts(address: str | tuple[str, int]) -> bool:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(2)
        return client.connect_ex(address) == 0


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=3).close()
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True


def _variables(layout: Layout, name: str) -> dict[str, str]:
    if name not in ("rabbitmq", "epmd"):
        return {}
    rabbit = layout.run / "rabbit"
    return {
        "RABBITMQ_NODENAME": "devcloud@localhost",
        "RABBITMQ_CONFIG_FILE": str(layout.run / "rabbitmq.conf"),
        "RABBITMQ_MNESIA_BASE": str(rabbit / "mnesia"),
        "RABBITMQ_LOG_BASE": str(rabbit / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(rabbit / "plugins"),
        "RABBITMQ_DIST_PORT": str(ports.RABBIT_DISTRIBUTION),
        "ERL_EPMD_PORT": str(ports.EPMD),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}"
        ),
    }


_APPLICATIONS = {
    "keystone": (ports.KEYSTONE, "keystone.wsgi.api:application", 8),
    "placement": (ports.PLACEMENT, "placement.wsgi.api:application", 4),
    "neutron": (ports.NEUTRON, "neutron.wsgi.api:application", 8),
    "nova": (ports.NOVA, "nova.wsgi.osapi_compute:application", 8),
    "glance": (ports.GLANCE, "glance.wsgi.api:application", 8),
    "cinder": (ports.CINDER, "cinder.wsgi.api:application", 8),
    "trove": (ports.TROVE, "trove.cmd.app_wsgi:application", 2),
}


def _command(layout: Layout, name: str) -> list[str]:
    etc, log = layout.etc, layout.log
    cinder = ["--config-file", f"{etc}/cinder/cinder.conf", "--log-file", f"{log}/{name}.log"]
    nova = ["--config-file", f"{etc}/nova/nova.conf", "--log-file", f"{log}/{name}.log"]
    if name in _APPLICATIONS:
        trove = ["--config-file", f"{etc}/trove/trove.conf"]
        return _uwsgi(layout, name, {"cinder": cinder, "trove": trove}.get(name, []))
    if name in COMPUTES:
        files = ("nova-compute.conf", f"{name}.conf")
        options = [o for file in files for o in ("--config-file", f"{etc}/nova/{file}")]
        return [layout.program("python"), str(SUPPORT / "nova_compute.py"), *options]
    if name in ("nova-conductor", "nova-scheduler"):
        return [layout.program(name), *nova]
    if name in ("cinder-scheduler", "cinder-volume"):
        return [layout.program(name), *cinder]
    if name in _SWIFT_DAEMONS:
        module, file = _SWIFT_DAEMONS[name]
        daemon = [layout.program("python"), str(SUPPORT / "swift_daemon.py"), f"{etc}/swift"]
        return [*daemon, module, f"{etc}/swift/{file}", "-v"]
    if name.startswith("swift-"):
        return [layout.program(f"{name}-server"), f"{etc}/swift/{name[6:]}.conf", "-v"]
    return _infrastructure(layout, name)


_SWIFT_DAEMONS = {
    "swift-expirer": ("swift.obj.expirer", "expirer.conf"),
    "swift-container-updater": ("swift.container.updater", "container.conf"),
    "swift-updater": ("swift.obj.updater", "object.conf"),
}


def _infrastructure(layout: Layout, name: str) -> list[str]:
    as_root = os.geteuid() == 0
    if name == "epmd":
        return ["epmd"]
    if name == "rabbitmq":
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"]
    if name == "memcached":
        user = ["-u", "root"] if as_root else []
        listen = ["-l", "127.0.0.1", "-p", str(ports.MEMCACHED), "-U", "0", "-m", "64"]
        return ["memcached", *listen, *user]
    # Its data can be made anew, so it need not reach the disk.
    return [
        "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={layout.run}/mysql",
        f"--socket={layout.database_socket}", "--skip-networking",
        f"--pid-file={layout.run}/mysql.pid", "--innodb-flush-log-at-trx-commit=0",
        "--sync-binlog=0", "--innodb-doublewrite=0", "--innodb-buffer-pool-size=256M",
        "--innodb-log-file-size=32M", "--max-connections=1000",
        "--character-set-server=utf8mb3", "--performance-schema=OFF",
        *(["--user=root"] if as_root else []),
    ]  # fmt: skip


def _uwsgi(layout: Layout, name: str, arguments: list[str]) -> list[str]:
    port, module, threads = _APPLICATIONS[name]
    return [
        layout.program("uwsgi"), "--http-socket", f"127.0.0.1:{port}", "-H", str(layout.venv),
        "--module", module, "--processes", "1", "--threads", str(threads), "--enable-threads",
        "--lazy-apps", "--need-app", "--die-on-term", "--buffer-size", "65535",
        "--thunder-lock", "--disable-logging", "--listen", "100",
        # uwsgi closes connections that clients would use again, and resets what they send.
        "--add-header", "Connection: close",
        *(["--pyargv", " ".join(arguments)] if arguments else []),
    ]  # fmt: skip


def guests(layout: Layout) -> list[Path]:
    """The folders of the servers that exist."""
    return [each.parent for each in (layout.run / "guests").glob("*/guest.json")]
