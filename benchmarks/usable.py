"""Seconds from ``gitrove apply`` to a usable database, beside starting the bare server by hand.

    python benchmarks/usable.py [--runs N]

Ours is the whole command and a query over TCP with the issued password; theirs
is initialising an empty data folder, starting the server with its defaults on
another address, and a query over its socket. Medians of N runs, in turns.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pymysql
import redis

GITROVE = Path(sys.executable).parent / "gitrove"
SETTINGS = """apiVersion: gitrove/v1
kind: Settings
clouds: {here: {driver: local}}
"""
INSTANCE = """apiVersion: gitrove/v1
kind: Instance
metadata: {name: one}
spec:
  datastore: {name: %s}
  flavor: small
  volume: {size: 1}
  users: [{name: app%s}]
"""


# A Redis user may do nothing at all without a grant.
_GRANTS = {"redis": ", grants: [{privileges: [ALL]}]"}


def ours(datastore: str, folder: Path) -> float:
    """Seconds of ``gitrove apply`` and a first query."""
    folder.chmod(0o711)
    (folder / "gitrove.yaml").write_text(SETTINGS)
    (folder / "one.yaml").write_text(INSTANCE % (datastore, _GRANTS.get(datastore, "")))
    environment = {**os.environ, "GITROVE_HOME": str(folder / "home")}

    def gitrove(*arguments: str) -> str:
        command = [str(GITROVE), *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
        return done.stdout.decode()

    for command in (["git", "init", "-q"], ["git", "add", "one.yaml", "gitrove.yaml"]):
        subprocess.run(command, cwd=folder, check=True)
    author = ["-c", "user.name=b", "-c", "user.email=b@localhost"]
    subprocess.run(["git", *author, "commit", "-qm", "one"], cwd=folder, check=True)
    began = time.monotonic()
    gitrove("apply", "--yes")
    seconds = time.monotonic() - began
    login = json.loads(gitrove("credentials", "one", "--output", "json"))[0]
    began = time.monotonic()
    _query(datastore, login["host"], login["user"], login["password"])
    seconds += time.monotonic() - began
    gitrove("destroy", "--yes")
    return seconds


def _query(datastore: str, host: str, user: str, password: str) -> None:
    if datastore == "mariadb":
        pymysql.connect(host=host, user=user, password=password).ping()
    elif datastore == "postgresql":
        psycopg2.connect(host=host, user=user, password=password, dbname="postgres").close()
    else:
        redis.Redis(host=host, username=user, password=password).ping()


def bare(datastore: str, folder: Path) -> float:
    """Seconds of what one would type: initialise, start, first query."""
    user = {"mariadb": "mysql", "postgresql": "postgres", "redis": "redis"}[datastore]
    who = user if os.geteuid() == 0 else getpass.getuser()
    data = folder / "data"
    data.mkdir(mode=0o700)
    shutil.chown(data, who)
    folder.chmod(0o755)
    initialise, start, answers = _by_hand(datastore, data)
    began = time.monotonic()
    if initialise:
        subprocess.run(initialise, user=who, cwd="/", check=True, capture_output=True)
    server = subprocess.Popen(
        start, user=who, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not _succeeds(answers):
        time.sleep(0.02)
    seconds = time.monotonic() - began
    server.send_signal(signal.SIGINT if datastore == "postgresql" else signal.SIGTERM)
    server.wait()
    return seconds


def _by_hand(datastore: str, data: Path) -> tuple[list[str], list[str], Callable[[], object]]:
    if datastore == "mariadb":
        socket = f"{data}/m.sock"
        initialise = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--basedir=/usr"]
        start = ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={socket}"]
        start.append("--skip-networking")
        # Only its own user may log in over the socket; that it is there and speaks is enough.
        return initialise, start, lambda: _greeted(socket)
    if datastore == "postgresql":
        programs = max(Path("/usr/lib/postgresql").iterdir()) / "bin"
        initialise = [f"{programs}/initdb", "-D", str(data), "-A", "trust", "-U", "postgres"]
        start = [f"{programs}/postgres", "-D", str(data), "-k", str(data), "-h", ""]
        return initialise, start, lambda: psycopg2.connect(host=str(data), user="postgres").close()
    socket = f"{data}/r.sock"
    start = ["redis-server", "--port", "0", "--unixsocket", socket, "--dir", str(data)]
    return [], start, lambda: redis.Redis(unix_socket_path=socket).ping()


def _greeted(socket: str) -> None:
    try:
        pymysql.connect(unix_socket=socket, user="nobody").close()
    except pymysql.OperationalError as error:
        if error.args[0] in (2002, 2003, 2013):
            raise


def _succeeds(act: Callable[[], object]) -> bool:
    try:
        act()
    except (psycopg2.Error, pymysql.MySQLError, redis.RedisError, OSError):
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    print("From nothing to a usable database: gitrove apply, and the bare server by hand")
    for datastore in ("mariadb", "postgresql", "redis"):
        figures: dict[str, list[float]] = {"ours": [], "bare": []}
        for _ in range(runs):
            for name, measure in (("ours", ours), ("bare", bare)):
                with tempfile.TemporaryDirectory(prefix="gb-") as scratch:
                    figures[name].append(measure(datastore, Path(scratch)))
        mine, theirs = (statistics.median(figures[name]) for name in ("ours", "bare"))
        print(
            f"  {datastore:<10}: apply {mine:5.2f} s, bare {theirs:5.2f} s,"
            f" {mine - theirs:+5.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
