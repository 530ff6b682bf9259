"""Instances and backups to declare, and rows to count after a restore."""

from __future__ import annotations

import json
from typing import Any

from specs.desired import Desired
from tests.support.databases import Kind
from tests.support.worlds import desire


def instance(kind: Kind, name: str = "one", **fields: Any) -> dict[str, Any]:
    grants = [{"database": "store"}] if kind.databases else [{"privileges": ["ALL"]}]
    spec = {
        "datastore": {"name": kind.name},
        "flavor": "tiny",
        "volume": {"size": 1},
        "databases": [{"name": "store"}] if kind.databases else [],
        "users": [{"name": "app", "grants": grants}],
    }
    return document("Instance", name, **(spec | fields))


def backup(name: str, of: str = "one", **fields: Any) -> dict[str, Any]:
    return document("Backup", name, instance=of, **fields)


def document(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "gitrove/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def together(*documents: dict[str, Any]) -> str:
    return "\n---\n".join(map(json.dumps, documents))


def declared(*documents: dict[str, Any]) -> Desired:
    return desire(together(*documents))


def ask(world: Any, kind: Kind, query: str, name: str = "one") -> Any:
    host, password = world.address(name), world.password(name, f"app@{kind.host}")
    return kind.ask(host, "app", password, query, *(["store"] if kind.databases else []))


def write(world: Any, kind: Kind, value: int) -> None:
    if kind.databases:
        ask(world, kind, "CREATE TABLE IF NOT EXISTS kept (n INT)")
        ask(world, kind, f"INSERT INTO kept VALUES ({value})")
    else:
        ask(world, kind, f"RPUSH kept {value}")


def count(world: Any, kind: Kind, name: str = "one") -> int:
    query = "SELECT COUNT(*) FROM kept" if kind.databases else "LLEN kept"
    return int(ask(world, kind, query, name))
