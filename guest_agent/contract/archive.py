"""The continuous archive of one instance's log, as its description in the storage tells it.

Every closed file of the log (WAL segments, binary logs) is stored as soon as
it is closed. Whatever was committed between ``since`` and ``until`` (seconds
since the epoch) is in the archive or in a backup that it begins with.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from guest_agent.contract import documents
from guest_agent.contract.backup import INDEX, NotABackup

DESCRIPTION = "archive.json"


@dataclass(frozen=True, slots=True)
class Archive:
    """``key`` is the wrapped data key of all of its files; ``interval`` in seconds."""

    project: str
    instance_name: str
    instance: str
    datastore: str
    key: str
    interval: float = 15.0
    since: float = 0.0
    until: float = 0.0

    @property
    def folder(self) -> str:
        """Where its files lie in the storage."""
        return f"archive/{self.project}/{self.instance}"

    @property
    def index(self) -> str:
        return index_of(self.project, self.instance)


def index_of(project: str, instance: str) -> str:
    """The name of the description of an instance's archive."""
    return f"{INDEX}{project}/{instance}/{DESCRIPTION}"


def encode(archive: Archive) -> bytes:
    return documents.encode(asdict(archive))


def decode(raw: bytes) -> Archive:
    """Raises NotABackup. Unknown fields are ignored."""
    try:
        document = documents.decode(raw)
        known = {each.name for each in fields(Archive)}
        return Archive(**{name: value for name, value in document.items() if name in known})
    except (ValueError, TypeError) as error:
        raise NotABackup(f"not an archive's description: {error}") from None
