"""PostgreSQL's login roles and what they may do.

A grant of ALL on a database includes the schema ``public`` in it, without which
nobody but its owner could make a table there since PostgreSQL 15.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from guest_agent.datastores.driver import Account
from guest_agent.datastores.postgresql.session import OWN_USER, Session

ALL = "ALL"
ROOT = "postgres"
_ALL_ON_DATABASE = frozenset({"CONNECT", "CREATE", "TEMPORARY"})

Connect = Callable[..., Session]


def listed(session: Session) -> list[Account]:
    """Every login role but the agent's own and root."""
    grants = _grants(session)
    query = (
        "SELECT rolname, coalesce(rolpassword, '') FROM pg_authid"
        " WHERE rolcanlogin AND rolname <> ALL(%s) ORDER BY 1"
    )
    return [
        Account(name, "", grants.get(name, {}), _verifier(secret))
        for name, secret in session.rows(query, [OWN_USER, ROOT])
    ]


def root(session: Session) -> Account | None:
    query = "SELECT coalesce(rolpassword, '') FROM pg_authid WHERE rolname = %s AND rolcanlogin"
    rows = session.rows(query, ROOT)
    return Account(ROOT, "", {}, _verifier(rows[0][0])) if rows else None


def create(session: Session, name: str, password: str) -> None:
    if not session.rows("SELECT 1 FROM pg_roles WHERE rolname = %s", name):
        session.run(f"CREATE ROLE {session.name(name)}")
    set_password(session, name, password)


def set_password(session: Session, name: str, password: str) -> None:
    session.run(f"ALTER ROLE {session.name(name)} LOGIN PASSWORD %s", password)


def drop(connect: Connect, name: str) -> None:
    """Drop the role; what it owns in any database stays, owned by the agent's login."""
    with connect() as session:
        if not session.rows("SELECT 1 FROM pg_roles WHERE rolname = %s", name):
            return
        databases = [
            d for (d,) in session.rows("SELECT datname FROM pg_database WHERE datallowconn")
        ]
    for database in databases:
        with connect(database) as session:
            session.run(f"REASSIGN OWNED BY {session.name(name)} TO {OWN_USER}")
            session.run(f"DROP OWNED BY {session.name(name)}")
    with connect() as session:
        session.run(f"DROP ROLE {session.name(name)}")


def set_grants(connect: Connect, name: str, wanted: dict[str, list[str]]) -> None:
    """Make *wanted* exactly what the role has on databases."""
    with connect() as session:
        present = _grants(session).get(name, {})
        existing = {d for (d,) in session.rows("SELECT datname FROM pg_database")}
    for database in sorted({*present, *wanted} & existing):
        _set_on(connect, name, database, wanted.get(database, []), present.get(database, []))


def _set_on(
    connect: Connect, name: str, database: str, wanted: list[str], present: list[str]
) -> None:
    with connect(database) as session:
        role, on = session.name(name), f"DATABASE {session.name(database)}"
        if missing := _spelt_out(wanted) - _spelt_out(present):
            session.run(f"GRANT {', '.join(sorted(missing))} ON {on} TO {role}")
        if extra := _spelt_out(present) - _spelt_out(wanted):
            session.run(f"REVOKE {', '.join(sorted(extra))} ON {on} FROM {role}")
        verb, to = ("GRANT", "TO") if ALL in wanted else ("REVOKE", "FROM")
        session.run(f"{verb} ALL ON SCHEMA public {to} {role}")


def _grants(session: Session) -> dict[str, dict[str, list[str]]]:
    rows = session.rows(
        "SELECT r.rolname, d.datname, a.privilege_type FROM pg_database d,"
        " aclexplode(d.datacl) a JOIN pg_roles r ON r.oid = a.grantee"
        " WHERE r.rolname <> %s AND r.oid <> d.datdba",
        OWN_USER,
    )
    found: dict[str, dict[str, list[str]]] = {}
    for role, database, privilege in rows:
        found.setdefault(role, {}).setdefault(database, []).append(privilege)
    return {
        role: {
            database: [ALL] if set(have) >= _ALL_ON_DATABASE else sorted(have)
            for database, have in by.items()
        }
        for role, by in found.items()
    }


def _spelt_out(privileges: list[str]) -> frozenset[str]:
    return _ALL_ON_DATABASE if ALL in privileges else frozenset(privileges)


def _verifier(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
