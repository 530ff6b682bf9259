"""A PostgreSQL for the journal, on an address of this machine, that ends with its test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2

from guest_agent.toolkit.processes import wait_until
from tests.support.free_port import free_port

_BIN = Path("/usr/lib/postgresql/15/bin")


@dataclass
class PostgresqlServer:
    """``url`` is SQLAlchemy's. Run as the user ``postgres`` by root."""

    folder: Path
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg2://postgres@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> PostgresqlServer:
        self.folder.mkdir(parents=True, exist_ok=True)
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            shutil.chown(self.folder, user)
        data = self.folder / "data"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": self.folder}
        make = [_BIN / "initdb", "-D", data, "-U", "postgres", "--auth", "trust", "--no-sync"]
        subprocess.run(make, check=True, user=user, **quiet)  # type: ignore[call-overload]
        options = {"fsync": "off", "listen_addresses": "127.0.0.1", "port": self.port}
        options["unix_socket_directories"] = self.folder
        command = [_BIN / "postgres", "-D", data]
        command += [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        self._process = subprocess.Popen(command, user=user, **quiet)  # type: ignore[call-overload]
        assert wait_until(self._answers, 30)
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)

    def _answers(self) -> bool:
        try:
            psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres").close()
        except psycopg2.OperationalError:
            return False
        return True
