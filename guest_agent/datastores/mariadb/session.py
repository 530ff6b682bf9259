"""A connection of the agent's own login, over the server's private socket."""

from __future__ import annotations

from typing import Any

import pymysql
from pymysql.cursors import Cursor

from guest_agent.contract.errors import GuestError

OWN_USER = "os_admin"
_CONNECT_SECONDS = 5


class Session:
    """Runs statements; as a context manager it translates the server's errors to GuestError."""

    def __init__(self, connection: pymysql.Connection[Cursor]) -> None:
        self._connection = connection

    def run(self, statement: str, *arguments: Any) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, arguments)

    def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query, arguments)
            return list(cursor.fetchall())

    def __enter__(self) -> Session:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._connection.close()
        if isinstance(error, pymysql.MySQLError):
            # The server's text can quote the statement, and so a password: only the code is kept.
            code = error.args[0] if error.args else "?"
            raise GuestError(f"MariaDB refused the statement (error {code})") from None


def connect(socket: str, secret: str) -> Session:
    """Raises pymysql.OperationalError."""
    return Session(
        pymysql.connect(
            unix_socket=socket,
            user=OWN_USER,
            password=secret,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
        )
    )


def name_quoted(name: str) -> str:
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"
