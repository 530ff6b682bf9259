"""PostgreSQL's data taken out and put back: base backups, and the log that follows them.

An incremental dump is the write-ahead log since the end of its parent
(mitaka-pgsql-incremental-backup). A replication slot keeps that log on the
server, up to ``max_slot_wal_keep_size``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from guest_agent.contract.errors import TryLater
from guest_agent.datastores.driver import Dump, NothingToFollow, Part, Place
from guest_agent.datastores.postgresql.hints import segment
from guest_agent.datastores.postgresql.programs import program
from guest_agent.datastores.postgresql.recovery import Recovery
from guest_agent.datastores.postgresql.session import OWN_USER, Session
from guest_agent.toolkit.files import write_atomically
from guest_agent.toolkit.processes import reading, wait_until, writing

_POINT = re.compile(r"write-ahead log (start|end) point: (\S+)(?: on timeline (\d+))?")
_SLOT = "gitrove_backups"
_FLUSH_SECONDS = 30.0
_SEGMENT_MASK = 0xFF000000


class PostgreSQLBackups:
    """See ``guest_agent.datastores.driver.Backups``.

    A position has ``start`` and ``end``, the LSN at which a dump begins and up to
    which its log goes, and ``timeline``.
    """

    def __init__(self, place: Place, session: Callable[[], Session], recovery: Recovery) -> None:
        self._place = place
        self._session = session
        self._recovery = recovery

    @contextmanager
    def dump(self, after: dict[str, str]) -> Iterator[Dump]:
        with self._increment(after) if after else self._base() as dump:
            yield dump

    @contextmanager
    def _base(self) -> Iterator[Dump]:
        place = self._place
        with self._session() as session:
            _keep_log(session)
        access = place.local / "backup.pgpass"
        write_atomically(access, f"*:*:*:{OWN_USER}:{place.secret}\n", 0o600, place.server_user)
        log = place.local / "backup.log"
        command = [program("pg_basebackup"), "-h", str(place.runtime), "-p", str(place.port)]
        command += ["-U", OWN_USER, "-w", "-D", "-", "-F", "tar", "-X", "fetch", "-v"]
        command += ["--checkpoint=fast", "--no-manifest"]
        environment = {"PGPASSFILE": str(access), "LC_ALL": "C"}
        try:
            with reading(command, log, place.server_user, environment) as stream:
                dump = Dump(stream)
                yield dump
        finally:
            access.unlink(missing_ok=True)
        dump.position = _position(log.read_text(errors="replace"))
        with self._session() as session:
            _let_go_before(session, dump.position["end"])

    @contextmanager
    def _increment(self, after: dict[str, str]) -> Iterator[Dump]:
        place = self._place
        with self._session() as session:
            if not _is_kept(session, after):
                raise NothingToFollow("the server no longer has the log since the backup before")
            _let_go_before(session, after["end"])
            end = _end_of_closed(session)
        folder = place.data / "pg_wal"
        timeline = f"{int(after['timeline']):08X}"
        first, past = segment(after["end"]), segment(end)
        names = sorted(
            path.name
            for path in folder.iterdir()
            if path.name[:8] == timeline and first <= path.name[8:] < past
        )
        # Without a name tar would refuse.
        command = ["tar", "-c", "-f", "-", "-C", str(folder), "--no-recursion", "-T", "/dev/null"]
        with reading([*command, *names], place.local / "backup.log", place.server_user) as stream:
            dump = Dump(stream)
            yield dump
        dump.position = {"start": after["end"], "end": end, "timeline": after["timeline"]}

    def restore(self, parts: list[Part]) -> None:
        self._place.make_folders()
        self._recovery.begin()
        full, *following = parts
        self._unpack(full, str(self._place.data))
        for part in following:
            self._unpack(part, str(self._recovery.segments))

    def _unpack(self, part: Part, folder: str) -> None:
        command = ["tar", "-x", "-f", "-", "-C", folder]
        log = self._place.local / "restore.log"
        with writing(command, log, self._place.server_user) as sink:
            part(sink)

    def settle(self) -> None:
        self._recovery.settle()


def _keep_log(session: Session) -> None:
    """Let the server keep its log from now on; a slot that lost it begins anew."""
    query = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s"
    found = session.rows(query, _SLOT)
    if found and found[0][0] == "lost":
        session.rows("SELECT pg_drop_replication_slot(%s)", _SLOT)
        found = []
    if not found:
        session.rows("SELECT pg_create_physical_replication_slot(%s, true)", _SLOT)


def _is_kept(session: Session, after: dict[str, str]) -> bool:
    """Whether the server has all of its log since the position *after*."""
    query = """
        SELECT 1 FROM pg_replication_slots, pg_control_checkpoint()
        WHERE slot_name = %s AND wal_status <> 'lost' AND restart_lsn <= %s::pg_lsn
        AND timeline_id = %s
    """
    return bool(session.rows(query, _SLOT, after["end"], int(after["timeline"])))


def _let_go_before(session: Session, lsn: str) -> None:
    query = """
        SELECT pg_replication_slot_advance(slot_name, %s::pg_lsn) FROM pg_replication_slots
        WHERE slot_name = %s AND restart_lsn < %s::pg_lsn AND wal_status <> 'lost'
    """
    session.rows(query, lsn, _SLOT, lsn)


def _end_of_closed(session: Session) -> str:
    """Close the segment that is written; the LSN at which the next one begins."""
    (closed,) = session.rows("SELECT pg_switch_wal()")[0]
    flushed = "SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn"
    if not wait_until(lambda: bool(session.rows(flushed, closed)[0][0]), _FLUSH_SECONDS):
        raise TryLater("the server has not written its log yet")
    (now,) = session.rows("SELECT pg_current_wal_flush_lsn()")[0]
    high, low = (int(part, 16) for part in str(now).split("/"))
    return f"{high:X}/{low & _SEGMENT_MASK:X}"


def _position(log: str) -> dict[str, str]:
    position: dict[str, str] = {}
    for which, point, timeline in _POINT.findall(log):
        position[which] = point
        if timeline:
            position["timeline"] = timeline
    return position
