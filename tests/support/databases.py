"""How tests speak to each real datastore, and what one differs in from another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg2
import pymysql
import redis


def mariadb(host: str, user: str, password: str, query: str, database: str | None = None) -> Any:
    """The first column of the first row of *query*, or None."""
    connection = pymysql.connect(
        host=host, user=user, password=password, database=database, autocommit=True
    )
    return _ask(connection, query)


def postgresql(host: str, user: str, password: str, query: str, database: str = "postgres") -> Any:
    """The first column of the first row of *query*, or None."""
    connection = psycopg2.connect(
        host=host, user=user, password=password, dbname=database, connect_timeout=5
    )
    connection.autocommit = True
    return _ask(connection, query)


def cache(host: str, user: str, password: str, query: str) -> Any:
    client = redis.Redis(host=host, username=user, password=password, decode_responses=True)
    return client.execute_command(*query.split(" "))


def _ask(connection: Any, query: str) -> Any:
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
    finally:
        connection.close()


@dataclass(frozen=True)
class Kind:
    """One datastore for the conformance suite: what to declare, and how to ask."""

    name: str
    ask: Callable[..., Any]
    refused: tuple[type[Exception], ...]
    host: str
    live: tuple[str, str, str]
    """A parameter that changes while the server runs: name, one value, another."""
    restart: tuple[str, str, str]
    """A parameter that waits for a restart."""
    variable: Callable[[str], str]
    """The query for a parameter's value in effect."""
    root: str
    databases: bool = True


KINDS = [
    Kind(
        "mariadb",
        mariadb,
        (pymysql.MySQLError,),
        "%",
        ("max_connections", "70", "75"),
        ("back_log", "60", "65"),
        lambda name: f"SELECT @@GLOBAL.{name}",
        "root",
    ),
    Kind(
        "postgresql",
        postgresql,
        (psycopg2.Error,),
        "",
        ("work_mem", "4096", "5120"),
        ("max_connections", "40", "45"),
        lambda name: f"SELECT setting FROM pg_settings WHERE name = '{name}'",
        "postgres",
    ),
    Kind(
        "redis",
        cache,
        (redis.RedisError,),
        "",
        ("timeout", "30", "40"),
        ("databases", "8", "12"),
        lambda name: f"CONFIG GET {name}",
        "default",
        databases=False,
    ),
]
