"""A connection of the agent's own login, over the server's private socket."""

from __future__ import annotations

from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import quote_ident

from guest_agent.contract.errors import GuestError

OWN_USER = "os_admin"
_CONNECT_SECONDS = 5


class Session:
    """Runs statements; as a context manager it translates the server's errors to GuestError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, statement: str, *arguments: Any) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, arguments or None)

    def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query, arguments or None)
            return list(cursor.fetchall())

    def name(self, name: str) -> str:
        return quote_ident(name, self._connection)

    def literal(self, value: str) -> str:
        with self._connection.cursor() as cursor:
            return cursor.mogrify("%s", (value,)).decode()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._connection.close()
        if isinstance(error, psycopg2.Error):
            # The server's text can quote the statement, and so a password: only the code is kept.
            raise GuestError(f"PostgreSQL refused the statement ({error.pgcode})") from None


def connect(socket: str, port: int, secret: str, database: str) -> Session:
    """Raises psycopg2.OperationalError."""
    connection = psycopg2.connect(
        host=socket,
        port=port,
        user=OWN_USER,
        password=secret,
        dbname=database,
        connect_timeout=_CONNECT_SECONDS,
    )
    connection.autocommit = True
    return Session(connection)
