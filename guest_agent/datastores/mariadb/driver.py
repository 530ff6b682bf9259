"""MariaDB in the guest: files, process and configuration of one server."""

from __future__ import annotations

import re
import string
import zlib
from importlib import resources
from pathlib import Path

import pymysql

from guest_agent.contract.errors import GuestError, TryLater
from guest_agent.datastores.driver import HAND_OVER_SECONDS, Account, Place, Schema
from guest_agent.datastores.mariadb import accounts
from guest_agent.datastores.mariadb.backups import MariaDBBackups
from guest_agent.datastores.mariadb.log import MariaDBLog
from guest_agent.datastores.mariadb.session import OWN_USER, Session, connect, name_quoted
from guest_agent.toolkit.configuration import ConfigurationFiles, ini_codec
from guest_agent.toolkit.files import give_to, write_atomically
from guest_agent.toolkit.processes import run
from guest_agent.toolkit.programs import line_of, program

_OWN_SCHEMAS = ("information_schema", "mysql", "performance_schema", "sys")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_READ_ONLY = 1238


def build(place: Place) -> MariaDB:
    return MariaDB(place)


class MariaDB:
    """The driver; see ``guest_agent.datastores.driver``."""

    def __init__(self, place: Place) -> None:
        self._place = place
        owner = place.server_user
        self.files = ConfigurationFiles(place.local, "my.cnf", ini_codec("mariadbd"), owner)
        self.process = place.server_process()
        self._init_file = place.local / "init.sql"
        self.backups = MariaDBBackups(place, self._keep_login)
        self.log = MariaDBLog(place, self._session, self._start_alone, self.stop)

    # -- life ---------------------------------------------------------------

    def initialise(self) -> None:
        place = self._place
        place.make_folders()
        owner = place.server_user
        # --basedir lets the tool find its scripts whatever the working directory is.
        command = [
            program("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={place.data}",
            f"--basedir={_base()}",
            # A server that starts removes what looks like old temporary tables in its folder:
            # with one shared by all, two at once would take away each other's.
            f"--tmpdir={place.runtime}",
        ]
        command += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        run([*command, f"--user={owner}"] if owner else command)
        # mariadb-install-db leaves a root without password; it is gone before the first connection.
        statements = ["DELETE FROM mysql.global_priv WHERE User IN ('', 'root')"]
        statements += ["DELETE FROM mysql.proxies_priv", "FLUSH PRIVILEGES"]
        self._keep_login(*statements)

    def _keep_login(self, *statements: str) -> None:
        """Have the next start set the agent's own login, then run *statements*."""
        everything = [*accounts.own_login(self._place.secret), *statements, ""]
        write_atomically(self._init_file, ";\n".join(everything), 0o600, self._place.server_user)

    def start(self) -> None:
        self._start()

    def _start_alone(self) -> None:
        """Start for the agent's own login, over the private socket only."""
        self._keep_login()
        self._start("--skip-networking")

    def _start(self, *arguments: str) -> None:
        self._place.make_folders()
        if not self._init_file.exists():
            write_atomically(self._init_file, "", 0o600, self._place.server_user)
        command = [program("mariadbd"), f"--defaults-file={self.files.base}", *arguments]
        self.process.start_until(self.answers, command, self._place.server_user)
        write_atomically(self._init_file, "", 0o600, self._place.server_user)

    def stop(self) -> None:
        self.process.stop()

    def hand_over(self) -> None:
        with self._session() as session:
            # Another version may not read what this one left to be done in its logs.
            session.run("SET GLOBAL innodb_fast_shutdown = 0")
        self.process.stop(deadline=HAND_OVER_SECONDS)

    def line(self) -> str:
        return line_of(program("mariadbd"), 2)

    def upgrade(self, line: str) -> None:
        self._start_alone()
        access = self._place.local / "upgrade.cnf"
        socket = self._place.runtime / "mysqld.sock"
        lines = ["[client]", f"user={OWN_USER}", f"password={self._place.secret}"]
        write_atomically(
            access, "\n".join([*lines, f"socket={socket}", ""]), 0o600, self._place.server_user
        )
        noted = self._place.data / "mysql_upgrade_info"
        if noted.exists():
            # mariadb-install-db, which runs as root, left it as root's.
            give_to(noted, self._place.server_user)
        try:
            command = [program("mariadb-upgrade"), f"--defaults-file={access}"]
            run(command, self._place.server_user, HAND_OVER_SECONDS)
        finally:
            access.unlink(missing_ok=True)
        self.stop()
        self.start()

    def answers(self) -> bool:
        try:
            with self._session() as session:
                return bool(session.rows("SELECT 1"))
        except (GuestError, OSError):
            return False

    def version(self) -> str:
        with self._session() as session:
            return str(session.rows("SELECT VERSION()")[0][0]).split("-")[0]

    # -- configuration ------------------------------------------------------

    def render(self, memory_mib: int) -> str:
        template = resources.files(__package__).joinpath("templates/my.cnf").read_text()
        place = self._place
        return string.Template(template).substitute(
            base=_base(),
            binlog=(place.on("binlog") or place.data) / "binlog",
            logs=place.query_logs,
            data=place.data,
            runtime=place.runtime,
            init_file=self._init_file,
            overrides=self.files.overrides,
            address=place.address,
            port=place.port,
            server_id=zlib.crc32(place.instance.encode()) or 1,
            buffer_pool=max(32, memory_mib * 3 // 10) << 20,
            key_buffer=max(8, memory_mib // 20) << 20,
            connections=min(2000, max(50, memory_mib // 5)),
        )

    def effective(self, names: list[str]) -> dict[str, str]:
        if not names:
            return {}
        marks = ",".join(["%s"] * len(names))
        query = f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({marks})"
        with self._session() as session:
            return {str(name): str(value) for name, value in session.rows(query, *names)}

    def apply_live(self, values: dict[str, str]) -> list[str]:
        applied = []
        with self._session() as session:
            for name, value in self.files.returning_to_base(values).items():
                if self._set_global(session, name, value):
                    applied.append(name)
        return applied

    def _set_global(self, session: Session, name: str, value: str) -> bool:
        argument: object = value
        if _NUMBER.fullmatch(value):
            argument = float(value) if "." in value else int(value)
        try:
            session.run(f"SET GLOBAL {name_quoted(name)} = %s", argument)
        except pymysql.MySQLError as error:
            if error.args[0] == _READ_ONLY:
                return False
            raise GuestError(f"the server refuses {name} = {value}", str(error.args[1:])) from error
        return True

    # -- databases ----------------------------------------------------------

    def schemas(self) -> list[Schema]:
        query = (
            "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME"
            " FROM information_schema.SCHEMATA ORDER BY 1"
        )
        with self._session() as session:
            return [
                Schema(*map(str, row)) for row in session.rows(query) if row[0] not in _OWN_SCHEMAS
            ]

    def create_schema(self, schema: Schema) -> None:
        clauses = f" CHARACTER SET {schema.character_set}" if schema.character_set else ""
        clauses += f" COLLATE {schema.collation}" if schema.collation else ""
        quoted = name_quoted(schema.name)
        with self._session() as session:
            session.run(f"CREATE DATABASE IF NOT EXISTS {quoted}{clauses}")
            if clauses:
                session.run(f"ALTER DATABASE {quoted}{clauses}")

    def drop_schema(self, name: str) -> None:
        with self._session() as session:
            session.run(f"DROP DATABASE IF EXISTS {name_quoted(name)}")

    # -- logins -------------------------------------------------------------

    def accounts(self) -> list[Account]:
        with self._session() as session:
            return accounts.listed(session)

    def create_account(self, name: str, host: str, password: str) -> None:
        with self._session() as session:
            accounts.create(session, name, host, password)

    def drop_account(self, name: str, host: str) -> None:
        with self._session() as session:
            accounts.drop(session, name, host)

    def rename_account(self, name: str, host: str, new_name: str, new_host: str) -> None:
        with self._session() as session:
            session.run("RENAME USER %s@%s TO %s@%s", name, host, new_name, new_host)

    def set_password(self, name: str, host: str, password: str) -> None:
        with self._session() as session:
            session.run("ALTER USER %s@%s IDENTIFIED BY %s", name, host, password)

    def set_grants(self, name: str, host: str, grants: dict[str, list[str]]) -> None:
        with self._session() as session:
            accounts.set_grants(session, name, host, grants)

    def root(self) -> Account | None:
        with self._session() as session:
            return accounts.root(session)

    def enable_root(self, password: str) -> None:
        with self._session() as session:
            accounts.create(session, "root", "%", password)
            session.run("GRANT ALL PRIVILEGES ON *.* TO %s@%s WITH GRANT OPTION", "root", "%")

    def disable_root(self) -> None:
        with self._session() as session:
            accounts.drop(session, "root", "%")

    def _session(self) -> Session:
        try:
            return connect(str(self._place.runtime / "mysqld.sock"), self._place.secret)
        except pymysql.OperationalError as error:
            raise TryLater("the server does not answer yet", str(error.args[0])) from error


def _base() -> Path:
    """The folder that MariaDB is installed below."""
    return Path(program("mariadbd")).parents[1]
