"""The story of ``make demo``: three databases declared in Git, changed, broken, repaired, removed.

Every step is checked against the servers themselves, over their own protocols;
the first thing that is not as told ends the story with exit status 1. It works
in a folder of its own, and can be run again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import pymysql
import redis

ROOT = Path(__file__).resolve().parent.parent
GITROVE = ROOT / ".venv" / "bin" / "gitrove"
ROW = "written before any change"


class Unexpected(Exception):
    """The story did not go as told."""


class Teller:
    """Tells and does: commands of gitrove and Git in the demo's own repository."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.repository = home / "shop"
        self.environment = {**os.environ, "GITROVE_HOME": str(home / "state"), **_GIT_NAME}
        self._chapter = 0

    def chapter(self, title: str) -> None:
        self._chapter += 1
        print(f"\n\033[1m{self._chapter}. {title}\033[0m", flush=True)

    def gitrove(self, *arguments: str, expect: int = 0) -> str:
        """Run and print one command; its output. Raises Unexpected on another exit status."""
        folder = self.repository if self.repository.exists() else self.home
        print(f"\033[36m$ gitrove {' '.join(arguments)}\033[0m", flush=True)
        done = self._run([str(GITROVE), *arguments], folder)
        print("\n".join(f"  {line}" for line in done.stdout.splitlines()), flush=True)
        if done.returncode != expect:
            raise Unexpected(f"gitrove {arguments[0]} ended with {done.returncode}")
        return done.stdout

    def commit(self, message: str) -> None:
        print(f'\033[36m$ git commit -am "{message}"\033[0m', flush=True)
        for command in (["git", "add", "-A"], ["git", "commit", "-qm", message]):
            done = self._run(command, self.repository)
            if done.returncode:
                raise Unexpected(done.stdout)

    def edit(self, file: str, *replacements: tuple[str, str]) -> None:
        path = self.repository / "databases" / file
        text = path.read_text()
        for before, after in replacements:
            if before not in text:
                raise Unexpected(f"{file} does not say {before!r}")
            text = text.replace(before, after)
        path.write_text(text)

    def json(self, *arguments: str) -> Any:
        command = [str(GITROVE), *arguments, "--output", "json"]
        return json.loads(self._run(command, self.repository, errors=False).stdout)

    def login(self, instance: str, user: str) -> dict[str, Any]:
        found: dict[str, Any] = self.json("credentials", instance, "--user", user)[0]
        return found

    def place(self, instance: str) -> Path:
        """The folder of an instance's server in the local cloud."""
        server = self.json("show", instance)["server"]
        return self.home / "state" / "clouds" / "here" / "servers" / str(server)

    def _run(
        self, command: list[str], folder: Path, errors: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors else None,
            text=True,
            check=False,
        )


_GIT_NAME = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Demo"), ("EMAIL", "demo@localhost"))
}


_PARAMETERS = """max_connections: 90
    innodb_log_file_size: 64M
    back_log: 70"""
_READER = """  users:
    - name: report
      grants:
        - {database: shop, privileges: [SELECT]}
"""


def mariadb(login: dict[str, Any], database: str = "shop") -> Any:
    return pymysql.connect(
        host=login["host"],
        port=login["port"],
        user=login["user"],
        password=login["password"],
        database=database,
        autocommit=True,
    )


def postgresql(login: dict[str, Any]) -> Any:
    connection = psycopg2.connect(
        host=login["host"],
        port=login["port"],
        user=login["user"],
        password=login["password"],
        dbname="books",
    )
    connection.autocommit = True
    return connection


def cache(login: dict[str, Any]) -> redis.Redis:
    return redis.Redis(
        host=login["host"],
        port=login["port"],
        username=login["user"],
        password=login["password"],
        decode_responses=True,
    )


def ask(connection: Any, query: str) -> Any:
    """The first column of the first row, or None."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
    finally:
        connection.close()


def check(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise Unexpected(f"{what}: found {found!r}, expected {expected!r}")
    print(f"  \033[32m✓\033[0m {what}: {found}", flush=True)


def until(what: str, condition: Callable[[], bool], seconds: float = 30) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise Unexpected(f"{what} did not happen")
        time.sleep(0.05)


def declare_and_create(teller: Teller) -> None:
    teller.chapter("A repository that declares MariaDB, PostgreSQL and Redis")
    teller.gitrove("init", str(teller.repository), "--project", "shop")
    teller.commit("Three databases")
    teller.gitrove("validate")
    teller.chapter("The plan, and what it becomes")
    teller.gitrove("plan", "--detailed-exitcode", expect=2)
    teller.gitrove("apply", "--yes")
    teller.gitrove("status")


def write_rows(teller: Teller) -> None:
    teller.chapter("Connect with the issued credentials and write a row into each")
    orders, ledger, web = _logins(teller)
    ask(mariadb(orders), "CREATE TABLE kept (text VARCHAR(64))")
    ask(mariadb(orders), f"INSERT INTO kept VALUES ('{ROW}')")
    ask(postgresql(ledger), "CREATE TABLE kept (text VARCHAR(64))")
    ask(postgresql(ledger), f"INSERT INTO kept VALUES ('{ROW}')")
    cache(web).set("session:kept", ROW)
    check_rows(teller)
    teller.gitrove("plan", "--detailed-exitcode")


def check_rows(teller: Teller) -> None:
    orders, ledger, web = _logins(teller)
    check("the row in MariaDB", ask(mariadb(orders), "SELECT text FROM kept"), ROW)
    check("the row in PostgreSQL", ask(postgresql(ledger), "SELECT text FROM kept"), ROW)
    check("the key in Redis", cache(web).get("session:kept"), ROW)


def change(teller: Teller) -> None:
    teller.chapter("A commit: more space, live and restart parameters, a user, a dropped database")
    teller.edit(
        "orders.yaml",
        ("size: 1, type", "size: 2, type"),
        ("    - {name: scratch}\n", ""),
        ("max_connections: 80", _PARAMETERS),
        ("  users:\n", _READER),
    )
    teller.edit("ledger.yaml", ("work_mem: 8MB", "work_mem: 16MB\n    max_connections: 60"))
    teller.commit("More room, new parameters, a reader; scratch is not needed")
    shown = teller.gitrove("plan", "--detailed-exitcode", expect=2)
    for text in ("extend volume", "drop database scratch", "create user report@%", "data loss",
                 "restart database server", "max_connections: 80 → 90"):  # fmt: skip
        check(f"the plan says “{text}”", text in shown, True)
    teller.gitrove("apply", "--yes")
    orders, ledger, _ = _logins(teller)
    report = teller.login("orders", "report")
    check("MariaDB max_connections (live)", _variable(orders, "max_connections"), 90)
    check("MariaDB back_log (restarted)", _variable(orders, "back_log"), 70)
    check("PostgreSQL work_mem (live)", ask(postgresql(ledger), "SHOW work_mem"), "16MB")
    check("PostgreSQL max_connections", ask(postgresql(ledger), "SHOW max_connections"), "60")
    check("the reader reads", ask(mariadb(report), "SELECT text FROM kept"), ROW)
    gone = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'scratch'"
    check("databases called scratch", ask(mariadb(orders), gone), 0)
    check("the volume in GiB", teller.json("show", "orders")["volume"].split()[0], "2")
    check_rows(teller)


def break_and_repair(teller: Teller) -> None:
    teller.chapter("By hand: kill PostgreSQL, drop a user, edit a parameter in a file")
    orders, _, _ = _logins(teller)
    _kill_database(teller, "ledger")
    _drop_user_by_hand(teller)
    override = teller.place("orders") / "local" / "my.override.cnf"
    override.write_text(override.read_text().replace("max_connections = 90", "max_connections = 9"))
    shown = teller.gitrove("plan", "--detailed-exitcode", expect=2)
    for text in ("start database server", "create user report@%", "max_connections: 9 → 90",
                 "somebody"):  # fmt: skip
        check(f"the plan says “{text}”", text in shown, True)
    teller.gitrove("apply", "--yes")
    teller.gitrove("plan", "--detailed-exitcode")
    check("MariaDB max_connections", _variable(orders, "max_connections"), 90)
    check("the reader is back", ask(mariadb(teller.login("orders", "report")), "SELECT 1"), 1)
    check_rows(teller)


def remove_one(teller: Teller) -> None:
    teller.chapter("Remove an instance from Git")
    place, login = teller.place("cache"), teller.login("cache", "web")
    (teller.repository / "databases" / "cache.yaml").unlink()
    teller.commit("No cache")
    shown = teller.gitrove("plan", "--detailed-exitcode", expect=2)
    check("the plan says “delete server”", "delete server" in shown, True)
    teller.gitrove("apply", "--yes")
    check("its folder is gone", place.exists(), False)
    volumes = list((teller.home / "state" / "clouds" / "here" / "volumes").iterdir())
    check("volumes that are left", len(volumes), 2)
    try:
        cache(login).ping()
    except redis.ConnectionError:
        check("Redis answers", False, False)
    else:
        raise Unexpected("Redis still answers")
    teller.gitrove("plan", "--detailed-exitcode")
    teller.gitrove("status")


def _logins(teller: Teller) -> tuple[dict[str, Any], ...]:
    whose = (("orders", "app"), ("ledger", "clerk"), ("cache", "web"))
    return tuple(teller.login(instance, user) for instance, user in whose)


def _variable(login: dict[str, Any], name: str) -> Any:
    return ask(mariadb(login), f"SELECT @@GLOBAL.{name}")


def _kill_database(teller: Teller, instance: str) -> None:
    pid = (teller.place(instance) / "local" / "database.process").read_text().split()[1]
    os.kill(int(pid), signal.SIGKILL)
    until("the server's death", lambda: teller.json("show", instance)["health"] == "Degraded")


def _drop_user_by_hand(teller: Teller) -> None:
    settings = json.loads((teller.place("orders") / "agent.json").read_text())
    connection = pymysql.connect(
        unix_socket=f"{settings['local']}/runtime/mysqld.sock",
        user="os_admin",
        password=settings["secret"],
    )
    ask(connection, "DROP USER report@'%'")


def remove(teller: Teller) -> None:
    """Remove everything that an earlier demo left."""
    if teller.repository.exists():
        teller.gitrove("destroy", "--yes")
    shutil.rmtree(teller.home)


def tell(teller: Teller) -> None:
    for scene in (declare_and_create, write_rows, change, break_and_repair, remove_one):
        scene(teller)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path("/var/lib/gitrove-demo" if os.geteuid() == 0 else Path.home() / ".gitrove-demo")
    parser.add_argument("--home", type=Path, default=default, help="the folder to work in")
    parser.add_argument("--remove", action="store_true", help="only remove an earlier demo")
    arguments = parser.parse_args()
    teller = Teller(arguments.home)
    try:
        if arguments.home.exists():
            print(f"Removing the earlier demo in {arguments.home}")
            remove(teller)
        if arguments.remove:
            return
        arguments.home.mkdir(parents=True, mode=0o711)
        tell(teller)
    except (Unexpected, OSError) as error:
        sys.exit(f"\n\033[31mThe story went wrong:\033[0m {error}")
    print(f"""
\033[1mEverything above was done by real servers on this machine.\033[0m Two of them still run. Try:
  cd {teller.repository} && export GITROVE_HOME={arguments.home}/state PATH={GITROVE.parent}:$PATH
  gitrove status
  gitrove credentials orders
  gitrove explain Instance.spec
Change a file in databases/, commit it, and run: gitrove plan
Remove everything with: make clean-demo""")


if __name__ == "__main__":
    main()
