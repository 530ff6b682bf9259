"""The base manager: what every datastore's guest does in the same way.

It keeps the prepare marks (mitaka-datastore-manager-refactor), the ledger of
what is managed, one change at a time, and the way back from a configuration
that the server refuses. The methods named in ``METHODS`` are the contract with
the control plane; each may be repeated.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from guest_agent import __version__
from guest_agent.agent import backups
from guest_agent.agent import ledger as ledgers
from guest_agent.agent.archiver import Archiver
from guest_agent.agent.backups import BackupRunner
from guest_agent.agent.ledger import Ledger, Login
from guest_agent.contract import backup as contract
from guest_agent.contract import messages, report
from guest_agent.contract.archive import Archive
from guest_agent.contract.backup import FAILED, Backup, Progress
from guest_agent.contract.errors import BadConfiguration, GuestError, Refused, TryLater
from guest_agent.datastores.driver import Account, Driver, Place, Schema
from guest_agent.toolkit.files import make_folder, used_bytes, write_atomically
from guest_agent.toolkit.storage import open_storage


class Manager:
    """One instance's manager. *datastore* is the name under which its driver was loaded."""

    def __init__(self, datastore: str, driver: Driver, place: Place) -> None:
        self._datastore = datastore
        self._driver = driver
        self._place = place
        self._changing = threading.Lock()
        self._busy = ""
        marks = make_folder(place.volume / ".gitrove")
        self._started_mark = marks / "prepare.start"
        self._ended_mark = marks / "prepare.end"
        self._fault_mark = marks / "prepare.fault"
        self._ledger_path = marks / "ledger.json"
        self._backups = BackupRunner(driver.backups)
        self.archiver = Archiver(marks / "archive.json", driver.log, self._answers)

    def methods(self) -> dict[str, Callable[..., Any]]:
        """The callable methods by their name on the wire."""
        return {name: getattr(self, name) for name in METHODS}

    def boot(self) -> None:
        """Start the server of an instance that was prepared, as a machine does when it boots.

        Data of another version waits for ``post_upgrade``.
        """
        if not self._ended_mark.exists() or self._driver.process.running():
            return
        with self._change("boot"):
            book = ledgers.load(self._ledger_path)
            if self._upgrades_from(book):
                return
            if not self._driver.files.base.exists():
                # The machine is new, the volume is not.
                self._write_configuration(book.memory_mib, book.written)
            self._driver.start()

    # -- reading ------------------------------------------------------------

    def ping(self) -> str:
        return "pong"

    def observe(self) -> report.Report:
        prepared = self._ended_mark.exists()
        common: dict[str, Any] = {
            "instance": self._place.instance,
            "datastore": self._datastore,
            "prepared": prepared,
            "busy": self._busy,
            "backup": self._backups.running,
            "backup_read": self._backups.read,
            "archive": self._archive(),
            "agent_version": __version__,
            "message_version": messages.VERSION,
        }
        if not prepared:
            return report.Report(
                status=self._status_before_prepared(), fault=self._fault(), **common
            )
        book = ledgers.load(self._ledger_path)
        used = used_bytes(self._place.volume)
        if not self._driver.process.running() or not self._driver.answers():
            configuration = self._configuration(book, {})
            return report.Report(
                status=report.STOPPED,
                configuration=configuration,
                volume_used=used,
                upgrades_from=self._upgrades_from(book),
                **common,
            )
        overrides = self._driver.files.read_overrides()
        schemas, accounts = self._driver.schemas(), self._driver.accounts()
        return report.Report(
            status=report.RUNNING,
            version=self._driver.version(),
            databases=[self._database(schema, book) for schema in schemas],
            users=[self._user(account, book) for account in accounts],
            lost=_lost(book, schemas, accounts),
            root=self._root(book),
            configuration=self._configuration(book, self._driver.effective(sorted(overrides))),
            volume_used=used,
            **common,
        )

    # -- life ---------------------------------------------------------------

    def prepare(
        self,
        memory_mib: int,
        configuration: dict[str, str],
        restore: dict[str, Any] | None = None,
    ) -> None:
        """Bring the database into being, once. Data that was prepared before is kept as it is.

        *restore* (see ``backups.restore_of``) gives it the data of a backup;
        nothing is touched before all of that was read once.
        """
        with self._change("prepare"):
            try:
                self._prepare(memory_mib, configuration, restore)
            except GuestError as error:
                write_atomically(self._fault_mark, error.message)
                raise
            self._fault_mark.unlink(missing_ok=True)

    def _prepare(
        self, memory_mib: int, configuration: dict[str, str], restore: dict[str, Any] | None
    ) -> None:
        self._write_configuration(memory_mib, configuration)
        if not self._ended_mark.exists():
            source = backups.restore_of(restore) if restore else None
            if source:
                backups.check(source.chain, source.storage)
            if self._place.data.exists() and not self._started_mark.exists():
                raise Refused("the volume holds data that no prepare of gitrove began")
            write_atomically(self._started_mark, "")
            self._driver.stop()
            shutil.rmtree(self._place.data, ignore_errors=True)
            if source:
                backups.restore(source.chain, self._driver, source.storage, source.point)
                self._take_over_ledger(source.chain[-1].backup)
            else:
                self._driver.initialise()
        elif self._upgrades_from(ledgers.load(self._ledger_path)):
            return  # Another version's data waits for its upgrade, which is planned and shown.
        self._driver.start()
        self._keep_as_good()
        write_atomically(self._ended_mark, "")

    def _take_over_ledger(self, backup: Backup) -> None:
        """That root is, or was, enabled goes with the data.

        Databases and users are nobody's until they are declared for this instance:
        what is restored is never dropped because a spec does not name it.
        """
        before = ledgers.of(backup.ledger)
        with self._ledger() as book:
            book.root, book.root_ever_enabled = before.root, before.root_ever_enabled

    def start(self) -> None:
        with self._change("start"):
            if line := self._upgrades_from(ledgers.load(self._ledger_path)):
                raise Refused(f"its data is of version {line} and has to be upgraded first")
            self._start_or_take_back()

    def restart(self) -> None:
        """Stop and start the server. Raises BadConfiguration when it ran only as it was before."""
        with self._change("restart"):
            if self._backups.running:
                raise TryLater(f"the backup {self._backups.running} is running")
            self._driver.stop()
            self._start_or_take_back()

    def stop(self) -> None:
        with self._change("stop"):
            self._driver.stop()

    def _start_or_take_back(self) -> None:
        try:
            self._driver.start()
        except GuestError as error:
            self._driver.stop()
            if not self._driver.files.take_back():
                raise
            self._driver.start()
            raise BadConfiguration(
                "the server did not start with it; the previous configuration is back",
                error.details or error.message,
            ) from error
        self._keep_as_good()

    def _keep_as_good(self) -> None:
        self._driver.files.keep_as_good()
        self._note_accepted(sorted(self._driver.files.read_overrides()))
        with self._ledger() as book:
            book.pending = []
            book.line = self._driver.line()

    # -- upgrade ------------------------------------------------------------

    def pre_upgrade(self) -> None:
        """Stop the server so that another version can go on with its data.

        On a machine that has the other version already, nothing is left to be done.
        """
        with self._change("pre_upgrade"):
            if self._backups.running:
                raise TryLater(f"the backup {self._backups.running} is running")
            if self._upgrades_from(ledgers.load(self._ledger_path)):
                return
            # After a crash, only the version that wrote it can read its log.
            self._driver.start()
            self._driver.hand_over()

    def post_upgrade(self, memory_mib: int, configuration: dict[str, str]) -> None:
        """Make the data that of the installed version and run it, with this configuration."""
        with self._change("post_upgrade"):
            self._write_configuration(memory_mib, configuration)
            if line := self._upgrades_from(ledgers.load(self._ledger_path)):
                self._driver.upgrade(line)
                self.archiver.begin_anew()
            self._driver.start()
            self._keep_as_good()

    def _upgrades_from(self, book: Ledger) -> str:
        return book.line if book.line and book.line != self._driver.line() else ""

    # -- backups ------------------------------------------------------------

    def begin_backup(
        self, backup: dict[str, Any], after: dict[str, str], key: str, storage: dict[str, Any]
    ) -> None:
        """Begin to store *backup*, all of it or what came *after* a position; returns at once."""
        if not self._answers():
            raise TryLater("the server does not run, so it cannot be backed up")
        taken = replace(
            contract.of(backup),
            version=self._driver.version(),
            ledger=asdict(ledgers.load(self._ledger_path)),
        )
        self._backups.begin(taken, after, backups.key_of(key), open_storage(storage))

    def backup_progress(self, identifier: str) -> Progress:
        """How the backup does. One that this agent does not know of ended with an earlier one."""
        progress = self._backups.progress
        if progress is None or progress.id != identifier:
            return Progress(identifier, FAILED, fault="the guest agent ended while it ran")
        return progress

    def cancel_backup(self, identifier: str) -> None:
        self._backups.cancel(identifier)

    def enable_archive(self, archive: dict[str, Any], key: str, storage: dict[str, Any]) -> None:
        """Archive the log continuously from now on."""
        with self._change("enable_archive"):
            self.archiver.enable(Archive(**archive), key, storage)

    def disable_archive(self) -> None:
        with self._change("disable_archive"):
            self.archiver.disable()

    def _answers(self) -> bool:
        return self._ended_mark.exists() and self._driver.answers()

    # -- configuration ------------------------------------------------------

    def configure(
        self, memory_mib: int, configuration: dict[str, str], defaults: dict[str, str]
    ) -> None:
        """Write base and overrides, and make live what can be; the rest waits for a restart.

        *defaults* are what parameters return to that are no longer overridden.
        """
        with self._change("configure"):
            before = ledgers.load(self._ledger_path)
            self._write_configuration(memory_mib, configuration)
            if not self._driver.process.running():
                return
            try:
                live = self._driver.apply_live(defaults | configuration)
            except GuestError as error:
                self._return_to(before, configuration)
                raise BadConfiguration(
                    f"{error.message}; the previous configuration is back", error.details
                ) from error
            self._note_accepted([name for name in live if name in configuration])
            changed = {n for n, v in configuration.items() if before.written.get(n) != v}
            waiting = (changed | set(defaults)) - set(live)
            if before.memory_mib != memory_mib:
                waiting.add("memory")
            waiting.update(before.pending)
            with self._ledger() as book:
                book.pending = sorted(waiting)
            if not waiting:
                self._driver.files.keep_as_good()

    def _return_to(self, before: Ledger, refused: dict[str, str]) -> None:
        self._write_configuration(before.memory_mib, before.written)
        touched = {name: value for name, value in before.written.items() if name in refused}
        self._driver.apply_live(touched)

    def _write_configuration(self, memory_mib: int, configuration: dict[str, str]) -> None:
        with self._ledger() as book:
            book.memory_mib = memory_mib
            book.written = configuration
        self._driver.files.write_base(self._driver.render(memory_mib))
        self._driver.files.write_overrides(configuration)

    def _note_accepted(self, names: list[str]) -> None:
        written = self._driver.files.read_overrides()
        effective = self._driver.effective(names)
        with self._ledger() as book:
            for name in names:
                book.accepted[name] = [written[name], effective.get(name, "")]

    def _configuration(self, book: Ledger, effective: dict[str, str]) -> report.Configuration:
        def as_written(name: str, value: str) -> str:
            written, made_of_it = book.accepted.get(name, [value, value])
            return written if value == made_of_it else value

        overrides = self._driver.files.read_overrides()
        return report.Configuration(
            file=overrides,
            file_drifted=overrides != book.written,
            restart_required=book.pending,
            in_effect={name: as_written(name, value) for name, value in effective.items()},
            base_drifted=self._driver.files.base_drifted(),
            memory_mib=book.memory_mib,
        )

    # -- databases and users --------------------------------------------------

    def create_database(self, name: str, character_set: str = "", collation: str = "") -> None:
        with self._change("create_database"):
            with self._ledger() as book:
                book.databases = sorted({*book.databases, name})
            self._driver.create_schema(Schema(name, character_set, collation))

    def drop_database(self, name: str) -> None:
        with self._change("drop_database"):
            self._driver.drop_schema(name)
            with self._ledger() as book:
                book.databases = [each for each in book.databases if each != name]

    def create_user(
        self, name: str, host: str, password: str, fingerprint: str, grants: dict[str, list[str]]
    ) -> None:
        """Make the login, or take over one that exists, with this password and these grants."""
        with self._change("create_user"):
            with self._ledger() as book:
                book.users.setdefault(_key(name, host), Login())
            self._driver.create_account(name, host, password)
            self._driver.set_grants(name, host, grants)
            self._remember_password(name, host, fingerprint)
            self._remember_grants(name, host, grants)

    def set_password(self, name: str, host: str, password: str, fingerprint: str) -> None:
        with self._change("set_password"):
            self._driver.set_password(name, host, password)
            self._remember_password(name, host, fingerprint)

    def set_grants(self, name: str, host: str, grants: dict[str, list[str]]) -> None:
        with self._change("set_grants"):
            self._driver.set_grants(name, host, grants)
            self._remember_grants(name, host, grants)

    def rename_user(
        self, name: str, host: str, new_name: str, new_host: str, password: str, fingerprint: str
    ) -> None:
        """Rename a login. The password goes with it, for servers that forget it on a rename."""
        with self._change("rename_user"):
            with self._ledger() as book:
                login = book.users.get(_key(name, host), Login())
                book.users.setdefault(_key(new_name, new_host), login)
            if self._find(name, host):
                self._driver.rename_account(name, host, new_name, new_host)
            self._driver.set_password(new_name, new_host, password)
            with self._ledger() as book:
                book.users.pop(_key(name, host), None)
            self._remember_password(new_name, new_host, fingerprint)

    def drop_user(self, name: str, host: str) -> None:
        with self._change("drop_user"):
            self._driver.drop_account(name, host)
            with self._ledger() as book:
                book.users.pop(_key(name, host), None)

    def enable_root(self, password: str, fingerprint: str) -> None:
        with self._change("enable_root"):
            with self._ledger() as book:
                book.root_ever_enabled = True
            self._driver.enable_root(password)
            account = self._driver.root()
            with self._ledger() as book:
                book.root = Login(fingerprint, account.verifier if account else "")

    def disable_root(self) -> None:
        """Remove the login; that it was ever enabled stays on record (liberty-root-disable)."""
        with self._change("disable_root"):
            self._driver.disable_root()
            with self._ledger() as book:
                book.root = Login()

    # -- pieces -------------------------------------------------------------

    def _archive(self) -> report.Archive:
        archive = self.archiver.archive
        if archive is None:
            return report.Archive()
        return report.Archive(
            enabled=True,
            interval=archive.interval,
            since=archive.since,
            until=archive.until,
            fault=self.archiver.fault,
            renew=self.archiver.renew,
        )

    def _status_before_prepared(self) -> str:
        if self._fault():
            return report.FAILED
        return report.PREPARING if self._started_mark.exists() else report.NEW

    def _fault(self) -> str:
        return self._fault_mark.read_text() if self._fault_mark.exists() else ""

    def _database(self, schema: Schema, book: Ledger) -> report.Database:
        managed = schema.name in book.databases
        return report.Database(schema.name, managed, schema.character_set, schema.collation)

    def _user(self, account: Account, book: Ledger) -> report.User:
        login = book.users.get(_key(account.name, account.host))
        return report.User(
            name=account.name,
            host=account.host,
            managed=login is not None,
            grants=login.grants if login and login.made_of_it == account.grants else account.grants,
            fingerprint=login.fingerprint if login else "",
            password_drifted=bool(login and login.verifier != account.verifier),
            grants_drifted=bool(login and login.made_of_it != account.grants),
        )

    def _root(self, book: Ledger) -> report.Root:
        account = self._driver.root()
        return report.Root(
            enabled=account is not None,
            ever_enabled=book.root_ever_enabled or account is not None,
            fingerprint=book.root.fingerprint,
            password_drifted=account is not None and book.root.verifier != account.verifier,
        )

    def _find(self, name: str, host: str) -> Account | None:
        wanted = (name, host)
        return next((a for a in self._driver.accounts() if (a.name, a.host) == wanted), None)

    def _remember_password(self, name: str, host: str, fingerprint: str) -> None:
        account = self._find(name, host)
        with self._ledger() as book:
            login = book.users.setdefault(_key(name, host), Login())
            login.fingerprint = fingerprint
            login.verifier = account.verifier if account else ""

    def _remember_grants(self, name: str, host: str, grants: dict[str, list[str]]) -> None:
        account = self._find(name, host)
        with self._ledger() as book:
            login = book.users.setdefault(_key(name, host), Login())
            login.grants = grants
            login.made_of_it = account.grants if account else {}

    @contextmanager
    def _ledger(self) -> Iterator[Ledger]:
        book = ledgers.load(self._ledger_path)
        yield book
        ledgers.save(book, self._ledger_path)

    @contextmanager
    def _change(self, method: str) -> Iterator[None]:
        if not self._changing.acquire(timeout=5):
            raise TryLater(f"the guest is busy with {self._busy or 'another change'}")
        try:
            self._busy = method
            yield
        except OSError as error:
            raise GuestError(f"{method}: {error.strerror}: {error.filename}") from error
        finally:
            self._busy = ""
            self._changing.release()


METHODS = (
    "ping",
    "observe",
    "prepare",
    "start",
    "stop",
    "restart",
    "pre_upgrade",
    "post_upgrade",
    "begin_backup",
    "backup_progress",
    "cancel_backup",
    "enable_archive",
    "disable_archive",
    "configure",
    "create_database",
    "drop_database",
    "create_user",
    "set_password",
    "set_grants",
    "rename_user",
    "drop_user",
    "enable_root",
    "disable_root",
)


def _lost(book: Ledger, schemas: list[Schema], accounts: list[Account]) -> list[str]:
    databases = set(book.databases) - {each.name for each in schemas}
    users = set(book.users) - {_key(each.name, each.host) for each in accounts}
    return [*(f"database {n}" for n in sorted(databases)), *(f"user {n}" for n in sorted(users))]


def _key(name: str, host: str) -> str:
    return f"{name}@{host}"
