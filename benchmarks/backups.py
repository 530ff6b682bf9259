"""Backups and restores beside the raw tools piped by hand, in one run.

    python benchmarks/backups.py [--gib N] [mariadb] [postgresql]

For MariaDB and PostgreSQL: seconds and MiB/s of ``gitrove backup create``,
beside ``mariadb-backup --stream | zstd`` and ``pg_basebackup | zstd`` of the
same server; what a client that commits row by row still gets done while each
of them runs; the agent's peak memory; seconds from ``gitrove apply`` to a
restored instance that answers.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import pymysql

GITROVE = Path(sys.executable).parent / "gitrove"
SETTINGS = """apiVersion: gitrove/v1
kind: Settings
clouds: {here: {driver: local}}
"""
INSTANCE = """apiVersion: gitrove/v1
kind: Instance
metadata: {name: %s}
spec:
  datastore: {name: %s}
  flavor: large
  volume: {size: 16}
  databases: [{name: bench}]
  users: [{name: app, grants: [{database: bench}]}]
%s"""
_ROW = "concat(md5(n), md5(n + 1), md5(n + 2), md5(n + 3), repeat('x', 100))"
_ROWS_PER_GIB = 3_900_000
_PASSES = 3


class Bench:
    """A repository with one instance of *datastore*, in a folder of its own."""

    def __init__(self, datastore: str, folder: Path) -> None:
        self.datastore = datastore
        self.folder = folder
        self.environment = {**os.environ, "GITROVE_HOME": str(folder / "home")}
        folder.chmod(0o711)
        (folder / "gitrove.yaml").write_text(SETTINGS)
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)

    def gitrove(self, *arguments: str) -> str:
        command = [str(GITROVE), *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, check=False
        )
        if done.returncode:
            sys.exit(f"{arguments}: {done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout.decode()

    def declare(self, name: str, more: str = "") -> None:
        (self.folder / f"{name}.yaml").write_text(INSTANCE % (name, self.datastore, more))
        author = ["-c", "user.name=b", "-c", "user.email=b@localhost"]
        for command in (["add", "-A", "*.yaml"], [*author, "commit", "-qm", name]):
            subprocess.run(["git", *command], cwd=self.folder, check=True)

    def settings(self) -> dict[str, Any]:
        """The agent's settings of the instance ``one``."""
        (path,) = (self.folder / "home").glob("clouds/here/servers/*/agent.json")
        found: dict[str, Any] = json.loads(path.read_text())
        return found | {"place": str(path.parent)}

    def connect(self, name: str) -> Any:
        login = json.loads(self.gitrove("credentials", name, "--output", "json"))[0]
        host, user, password = login["host"], login["user"], login["password"]
        connection: Any
        if self.datastore == "mariadb":
            connection = pymysql.connect(
                host=host, user=user, password=password, database="bench", autocommit=True
            )
        else:
            connection = psycopg2.connect(host=host, user=user, password=password, dbname="bench")
            connection.autocommit = True
        return connection

    def query(self, name: str, *statements: str) -> Any:
        connection = self.connect(name)
        row = None
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                row = cursor.fetchone() if cursor.description else None
        connection.close()
        return row[0] if row else None

    def fill(self, gib: float) -> None:
        rows = int(gib * _ROWS_PER_GIB)
        source = (
            f"SELECT seq AS n FROM seq_1_to_{rows}"
            if self.datastore == "mariadb"
            else f"SELECT g::text AS n FROM generate_series(1, {rows}) g"
        )
        row = _ROW if self.datastore == "mariadb" else _ROW.replace("n +", "n::bigint +")
        row = re.sub(r"md5\((n::bigint \+ \d)\)", r"md5((\1)::text)", row)
        self.query("one", f"CREATE TABLE filled AS SELECT {row} AS text FROM ({source}) s")

    def raw(self, target: Path) -> float:
        """Seconds of the same dump by hand, through zstd into a file."""
        settings = self.settings()
        runtime = f"{settings['local']}/runtime"
        user = settings["server_user"]
        access = Path(settings["local"]) / "bench.access"
        if self.datastore == "mariadb":
            access.write_text(
                f"[mariadb-backup]\nuser=os_admin\npassword={settings['secret']}\n"
                f"socket={runtime}/mysqld.sock\ndatadir={settings['volume']}/data\n"
            )
            command = f"mariadb-backup --defaults-file={access} --backup --stream=mbstream"
            command += f" --target-dir={runtime}"
            environment = {}
        else:
            access.write_text(f"*:*:*:os_admin:{settings['secret']}\n")
            command = f"pg_basebackup -h {runtime} -p 5432 -U os_admin -w -D - -F tar -X fetch"
            command += " --checkpoint=fast --no-manifest"
            environment = {"PGPASSFILE": str(access)}
        access.chmod(0o600)
        if user:
            subprocess.run(["chown", user, str(access)], check=True)
        began = time.monotonic()
        subprocess.run(
            f"set -o pipefail; {command} | zstd -q -3 -T1 > {shlex.quote(str(target))}",
            shell=True,
            executable="/bin/bash",
            env={**os.environ, **environment},
            stderr=subprocess.DEVNULL,
            user=user or None,
            check=True,
        )
        seconds = time.monotonic() - began
        access.unlink()
        return seconds

    def commits(self, work: Callable[[], object]) -> float:
        """Commits a second of one client while *work* runs."""
        connection, ended, done = self.connect("one"), threading.Event(), 0

        def write() -> None:
            nonlocal done
            with connection.cursor() as cursor:
                while not ended.is_set():
                    cursor.execute("INSERT INTO ticks VALUES (1)")
                    done += 1

        client = threading.Thread(target=write)
        began = time.monotonic()
        client.start()
        try:
            work()
        finally:
            ended.set()
            client.join()
            connection.close()
        return done / (time.monotonic() - began)

    def peak_of_agent(self) -> float:
        """MiB."""
        pid = (Path(self.settings()["place"]) / "agent.process").read_text().split()[1]
        status = Path(f"/proc/{pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


def measure(datastore: str, gib: float) -> None:
    with tempfile.TemporaryDirectory(prefix="gb-") as scratch:
        bench = Bench(datastore, Path(scratch))
        bench.declare("one")
        bench.gitrove("apply", "--yes")
        bench.fill(gib)
        target = Path(scratch) / "raw"
        target.mkdir()
        target.chmod(0o777)
        ours, theirs = [], []
        for number in range(_PASSES):
            theirs.append(bench.raw(target / "dump.zst"))
            began = time.monotonic()
            bench.gitrove("backup", "create", "one", "--name", f"b{number}")
            ours.append(time.monotonic() - began)
        bench.query("one", "CREATE TABLE ticks (n INT)")
        alone = bench.commits(lambda: time.sleep(5))
        beside_ours = bench.commits(lambda: bench.gitrove("backup", "create", "one"))
        beside_raw = bench.commits(lambda: bench.raw(target / "dump.zst"))
        by_hand = (target / "dump.zst").stat().st_size / (1 << 20)
        stored = [
            json.loads(bench.gitrove("backup", "show", f"b{number}", "--output", "json"))
            for number in range(_PASSES)
        ]
        size = float(stored[0]["data"].split()[0])
        itself = sorted(float(each["took"].split()[0]) for each in stored)[_PASSES // 2]
        mine, raw = sorted(ours)[_PASSES // 2], sorted(theirs)[_PASSES // 2]
        peak = bench.peak_of_agent()
        bench.declare("two", "  restoreFrom: {backup: b0}\n")
        began = time.monotonic()
        bench.gitrove("apply", "--yes")
        count = bench.query("two", "SELECT COUNT(*) FROM filled")
        restored = time.monotonic() - began
        assert count == int(gib * _ROWS_PER_GIB)
        print(
            f"  {datastore:<10}: {size:6.0f} MiB, command {mine:5.1f} s, backup {itself:5.1f} s"
            f" ({size / itself:4.0f} MiB/s), raw pipe {raw:5.1f} s: {raw / mine:4.2f} and"
            f" {raw / itself:4.2f} of its speed;"
            f" agent's peak {peak:3.0f} MiB; restored and counted in {restored:5.1f} s;"
            f" stored {stored[0]['stored']}, by hand {by_hand:.1f} MiB;"
            f" a client's commits: {beside_ours / alone:4.2f} of what it does alone"
            f" ({alone:.0f}/s), {beside_raw / alone:4.2f} beside the raw pipe",
            flush=True,
        )
        bench.gitrove("destroy", "--yes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=2.0)
    parser.add_argument("datastores", nargs="*", default=["mariadb", "postgresql"])
    options = parser.parse_args()
    print("Backups, whole commands, medians of three, in turns with the raw tools")
    for datastore in options.datastores:
        measure(datastore, options.gib)


if __name__ == "__main__":
    main()
