"""The archiver works by an order on the data volume, and outlives a bad one."""

from __future__ import annotations

import threading
from pathlib import Path

from executors.storage.folder import Folder
from guest_agent.agent.archiver import Archiver
from guest_agent.contract.archive import Archive
from guest_agent.toolkit.processes import wait_until

KEY = "a2" * 21 + "a="


class Log:
    """A log of one file, closed at every rotation."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "log.1"

    def begin(self) -> None:
        """Nothing to prepare."""

    def end(self) -> None:
        """Nothing to clear."""

    def rotate(self) -> None:
        self._file.write_bytes(b"rows")

    def closed(self) -> list[Path]:
        return [self._file]

    def stored(self, path: Path) -> None:
        path.unlink()


def test_a_damaged_order_is_told_and_given_again(tmp_path: Path) -> None:
    path, kept = tmp_path / "archive.json", tmp_path / "kept"
    archiver = Archiver(path, Log(tmp_path), lambda: True)  # type: ignore[arg-type]
    threading.Thread(target=archiver.run, daemon=True).start()
    for damage in ("{", "[]", '{"archive": {}}', "null"):
        path.write_text(damage)
        assert archiver.archive is None
        assert "cannot be read" in archiver.fault
    archive = Archive("shop", "one", "i", "mariadb", "wrapped", interval=0.05)
    archiver.enable(archive, KEY, {"driver": "directory", "path": str(kept)})
    assert archiver.archive is not None
    assert wait_until(lambda: archiver.fault == "" and bool(Folder(kept).names("")), 10)
    archiver.disable()
