"""What a backup is, as its manifest in the storage tells it.

A backup is complete when its manifest is there: it is written last. Until then
only ``begun.json`` tells of it, and ``fault.json`` if it failed. A manifest
holds everything that a restore needs but the control-plane key: the storage
alone is the catalogue.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from guest_agent.contract import documents

FORMAT = 1
FULL = "full"
INCREMENTAL = "incremental"

INDEX = "index/"
BEGUN = "begun.json"
MANIFEST = "manifest.json"
FAULT = "fault.json"


@dataclass(frozen=True, slots=True)
class Segment:
    """One object of a backup: its name in the storage, its size in bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup. ``key`` is its data key, wrapped; times are seconds since the epoch, UTC.

    ``position`` says where in the server's log it ends, in the datastore's own
    words; ``ledger`` is the guest's ledger, which is restored with the data.
    ``origin`` is what asked for it: ``declared``, ``manual``, ``final`` or
    ``schedule NAME``. ``finished`` is 0 until it is complete.
    """

    id: str
    name: str
    project: str
    instance_name: str
    instance: str
    datastore: str
    kind: str = FULL
    parent: str = ""
    origin: str = "manual"
    version: str = ""
    began: float = 0.0
    finished: float = 0.0
    raw_bytes: int = 0
    stored_bytes: int = 0
    segments: list[Segment] = field(default_factory=list)
    key: str = ""
    position: dict[str, str] = field(default_factory=dict)
    ledger: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def complete(self) -> bool:
        return self.finished > 0

    @property
    def folder(self) -> str:
        """Where its data lies in the storage."""
        return f"data/{self.project}/{self.instance}/{self.id}"

    @property
    def index(self) -> str:
        """Where its descriptions lie, apart from the data so that they can be listed."""
        return f"{INDEX}{self.project}/{self.instance}/{self.id}"


class NotABackup(ValueError):
    """The document is not a backup of a format that is known here."""


def encode(backup: Backup) -> bytes:
    """The description as it is stored, with a digest of itself."""
    return documents.encode(asdict(backup))


def decode(raw: bytes) -> Backup:
    """Raises NotABackup, also for a description that is not as it was written."""
    try:
        return of(documents.decode(raw))
    except documents.Damaged as error:
        raise NotABackup(str(error)) from None


def of(document: dict[str, Any]) -> Backup:
    """The backup of a plain *document*. Raises NotABackup.

    Unknown fields are ignored, so that a newer writer is understood.
    """
    try:
        known = {each.name for each in fields(Backup)}
        held = {name: value for name, value in document.items() if name in known}
        held["segments"] = [Segment(**each) for each in held.get("segments", ())]
        backup = Backup(**held)
    except (ValueError, TypeError, AttributeError) as error:
        raise NotABackup(f"not a backup's description: {error}") from None
    if backup.format > FORMAT:
        raise NotABackup(f"its format is {backup.format}; this gitrove reads up to {FORMAT}")
    return backup


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backup is: ``state`` is running, completed or failed, with its fault."""

    id: str
    state: str
    raw_bytes: int = 0
    stored_bytes: int = 0
    fault: str = ""
    details: str = ""


RUNNING = "running"
COMPLETED = "completed"
FAILED = "failed"
