"""PostgreSQL in the guest: files, process and configuration of one server."""

from __future__ import annotations

import signal
import string
from importlib import resources
from pathlib import Path

import psycopg2

from guest_agent.contract.errors import GuestError, TryLater
from guest_agent.datastores.driver import HAND_OVER_SECONDS, Account, Place, Schema
from guest_agent.datastores.postgresql import accounts
from guest_agent.datastores.postgresql.backups import PostgreSQLBackups
from guest_agent.datastores.postgresql.log import PostgreSQLLog, archive_command
from guest_agent.datastores.postgresql.programs import installed_line, program
from guest_agent.datastores.postgresql.recovery import Recovery, answers
from guest_agent.datastores.postgresql.session import OWN_USER, Session, connect
from guest_agent.datastores.postgresql.upgrade import analyze, enable_again, upgrade
from guest_agent.datastores.postgresql.wal import settle_wal
from guest_agent.toolkit.configuration import ConfigurationFiles, quoted_codec
from guest_agent.toolkit.files import write_atomically
from guest_agent.toolkit.processes import run, wait_until

_PAGE_KIB = 8
_RELOAD_SECONDS = 10


def build(place: Place) -> PostgreSQL:
    return PostgreSQL(place)


class PostgreSQL:
    """The driver; see ``guest_agent.datastores.driver``."""

    def __init__(self, place: Place) -> None:
        self._place = place
        owner = place.server_user
        self.files = ConfigurationFiles(place.local, "postgresql.conf", quoted_codec(), owner)
        self.process = place.server_process()
        recovery = Recovery(place, self.files, self.process)
        self.backups = PostgreSQLBackups(place, self._session, recovery)
        self.log = PostgreSQLLog(place, self._session, recovery)

    # -- life ---------------------------------------------------------------

    def initialise(self) -> None:
        self._place.make_folders()
        self._initialise(self._place.data)

    def _initialise(self, data: Path) -> None:
        owner = self._place.server_user
        secret_file = self._place.local / "initdb.password"
        write_atomically(secret_file, self._place.secret, 0o600, owner)
        command = [program("initdb"), "-D", str(data), "-U", OWN_USER]
        command += ["-A", "scram-sha-256", "--pwfile", str(secret_file)]
        command += ["-E", "UTF8", "--locale", "C.UTF-8"]
        try:
            run(command, owner)
        finally:
            secret_file.unlink(missing_ok=True)

    def start(self) -> None:
        self._place.make_folders()
        enable_again(self._place.data)
        settle_wal(self._place)
        self._write_access()
        command = [program("postgres"), "-c", f"config_file={self.files.base}"]
        self.process.start_until(self.answers, command, self._place.server_user)

    def stop(self) -> None:
        # SIGINT is PostgreSQL's fast shutdown: sessions end, nothing is lost.
        self.process.stop(signal.SIGINT)

    def hand_over(self) -> None:
        self.process.stop(signal.SIGINT, HAND_OVER_SECONDS)

    def line(self) -> str:
        return installed_line()

    def upgrade(self, line: str) -> None:
        upgrade(self._place, line, self._initialise)
        self.start()
        analyze(self._place)

    def answers(self) -> bool:
        return answers(self._session)

    def version(self) -> str:
        with self._session() as session:
            return str(session.rows("SHOW server_version")[0][0]).split(" ")[0]

    # -- configuration ------------------------------------------------------

    def render(self, memory_mib: int) -> str:
        place = self._place
        return _template("postgresql.conf").substitute(
            data=place.data,
            hba=place.local / "pg_hba.conf",
            ident=place.local / "pg_ident.conf",
            archive_command=archive_command(place),
            socket=place.runtime,
            overrides=self.files.overrides,
            address=place.address,
            port=place.port,
            shared_buffers=max(16, memory_mib // 4) * 1024 // _PAGE_KIB,
            cache=max(32, memory_mib // 2) * 1024 // _PAGE_KIB,
            maintenance=max(16, memory_mib // 16) * 1024,
            connections=min(1000, max(30, memory_mib // 10)),
        )

    def _write_access(self) -> None:
        owner = self._place.server_user
        write_atomically(
            self._place.local / "pg_hba.conf", _template("pg_hba.conf").template, 0o600, owner
        )
        write_atomically(self._place.local / "pg_ident.conf", "", 0o600, owner)

    def effective(self, names: list[str]) -> dict[str, str]:
        query = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
        with self._session() as session:
            return dict(session.rows(query, names))

    def apply_live(self, values: dict[str, str]) -> list[str]:
        with self._session() as session:
            # What somebody set by ALTER SYSTEM would win over every file of ours.
            session.run("ALTER SYSTEM RESET ALL")
            self._reload(session)
            refused = session.rows(
                "SELECT name, error FROM pg_file_settings"
                " WHERE error IS NOT NULL AND error <> 'setting could not be applied'"
            )
            if refused:
                text = "; ".join(f"{name}: {error}" for name, error in refused)
                raise GuestError("the server refuses a parameter", text)
            query = "SELECT name FROM pg_settings WHERE name = ANY(%s) AND context <> 'postmaster'"
            return [name for (name,) in session.rows(query, list(values))]

    def _reload(self, session: Session) -> None:
        def loaded() -> object:
            return session.rows("SELECT pg_conf_load_time()")

        before = loaded()
        session.run("SELECT pg_reload_conf()")
        if not wait_until(lambda: loaded() != before, _RELOAD_SECONDS):
            raise TryLater("the server has not reloaded its configuration")

    # -- databases ----------------------------------------------------------

    def schemas(self) -> list[Schema]:
        query = (
            "SELECT datname, pg_encoding_to_char(encoding), datcollate FROM pg_database"
            " WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1"
        )
        with self._session() as session:
            return [Schema(*row) for row in session.rows(query)]

    def create_schema(self, schema: Schema) -> None:
        with self._session() as session:
            if not session.rows("SELECT 1 FROM pg_database WHERE datname = %s", schema.name):
                clauses = " TEMPLATE template0"
                if schema.character_set:
                    clauses += f" ENCODING {session.literal(schema.character_set)}"
                if schema.collation:
                    clauses += f" LOCALE {session.literal(schema.collation)}"
                session.run(f"CREATE DATABASE {session.name(schema.name)}{clauses}")
            session.run(f"REVOKE ALL ON DATABASE {session.name(schema.name)} FROM PUBLIC")

    def drop_schema(self, name: str) -> None:
        with self._session() as session:
            session.run(f"DROP DATABASE IF EXISTS {session.name(name)} WITH (FORCE)")

    # -- logins -------------------------------------------------------------

    def accounts(self) -> list[Account]:
        with self._session() as session:
            return accounts.listed(session)

    def create_account(self, name: str, host: str, password: str) -> None:
        with self._session() as session:
            accounts.create(session, name, password)

    def drop_account(self, name: str, host: str) -> None:
        accounts.drop(self._session, name)

    def rename_account(self, name: str, host: str, new_name: str, new_host: str) -> None:
        with self._session() as session:
            session.run(f"ALTER ROLE {session.name(name)} RENAME TO {session.name(new_name)}")

    def set_password(self, name: str, host: str, password: str) -> None:
        with self._session() as session:
            accounts.set_password(session, name, password)

    def set_grants(self, name: str, host: str, grants: dict[str, list[str]]) -> None:
        accounts.set_grants(self._session, name, grants)

    def root(self) -> Account | None:
        with self._session() as session:
            return accounts.root(session)

    def enable_root(self, password: str) -> None:
        with self._session() as session:
            accounts.create(session, accounts.ROOT, password)
            session.run(f"ALTER ROLE {accounts.ROOT} SUPERUSER CREATEROLE CREATEDB")

    def disable_root(self) -> None:
        accounts.drop(self._session, accounts.ROOT)

    def _session(self, database: str = "postgres") -> Session:
        socket = self._place.runtime
        try:
            return connect(str(socket), self._place.port, self._place.secret, database)
        except psycopg2.OperationalError as error:
            raise TryLater("the server does not answer yet", str(error)) from None


def _template(name: str) -> string.Template:
    return string.Template(resources.files(__package__).joinpath(f"templates/{name}").read_text())
