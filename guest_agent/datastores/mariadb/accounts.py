"""MariaDB's logins and what they may do."""

from __future__ import annotations

import hashlib

from guest_agent.datastores.driver import Account
from guest_agent.datastores.mariadb.session import OWN_USER, Session, name_quoted

ALL = "ALL"
EVERYWHERE = "*"
_OWN_USERS = (OWN_USER, "mariadb.sys", "mysql", "PUBLIC", "root", "")
_ALL_ON_SCHEMA = frozenset(
    {
        "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "REFERENCES", "INDEX", "ALTER",
        "CREATE TEMPORARY TABLES", "LOCK TABLES", "EXECUTE", "CREATE VIEW", "SHOW VIEW",
        "CREATE ROUTINE", "ALTER ROUTINE", "EVENT", "TRIGGER", "DELETE HISTORY",
    }
)  # fmt: skip


def own_login(secret: str) -> list[str]:
    """The statements that make the agent's own login; *secret* is URL-safe base64."""
    who = f"{OWN_USER}@localhost"
    return [
        f"CREATE USER IF NOT EXISTS {who} IDENTIFIED BY '{secret}'",
        f"ALTER USER {who} IDENTIFIED BY '{secret}'",
        f"GRANT ALL PRIVILEGES ON *.* TO {who} WITH GRANT OPTION",
    ]


def listed(session: Session) -> list[Account]:
    """Every login but the server's own, the agent's and root."""
    grants = _grants(session)
    query = "SELECT User, Host, Password, authentication_string FROM mysql.user ORDER BY 1, 2"
    return [
        Account(name, host, grants.get((name, host), {}), _verifier(password or digest))
        for name, host, password, digest in session.rows(query)
        if name not in _OWN_USERS
    ]


def root(session: Session) -> Account | None:
    query = "SELECT Password FROM mysql.user WHERE User = 'root' AND Host = %s"
    rows = session.rows(query, "%")
    return Account("root", "%", {}, _verifier(rows[0][0])) if rows else None


def create(session: Session, name: str, host: str, password: str) -> None:
    session.run("CREATE USER IF NOT EXISTS %s@%s IDENTIFIED BY %s", name, host, password)
    session.run("ALTER USER %s@%s IDENTIFIED BY %s", name, host, password)


def drop(session: Session, name: str, host: str) -> None:
    session.run("DROP USER IF EXISTS %s@%s", name, host)


def set_grants(session: Session, name: str, host: str, wanted: dict[str, list[str]]) -> None:
    """Grant what is missing first, then revoke what is too much, so that nothing wanted lapses."""
    present = _grants(session).get((name, host), {})
    for target, privileges in wanted.items():
        if missing := sorted(set(privileges) - set(present.get(target, []))):
            session.run(f"GRANT {', '.join(missing)} ON {_on(target)} TO %s@%s", name, host)
    for target, privileges in present.items():
        keep = set(wanted.get(target, []))
        extra = sorted(set(privileges) - keep)
        if ALL in keep or not extra:
            continue
        session.run(f"REVOKE {', '.join(extra)} ON {_on(target)} FROM %s@%s", name, host)
        if ALL in extra and keep:
            session.run(f"GRANT {', '.join(sorted(keep))} ON {_on(target)} TO %s@%s", name, host)


def _grants(session: Session) -> dict[tuple[str, str], dict[str, list[str]]]:
    rows = session.rows(
        "SELECT GRANTEE, TABLE_SCHEMA, PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES"
        " UNION ALL SELECT GRANTEE, '*', PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES"
        " WHERE PRIVILEGE_TYPE <> 'USAGE'"
    )
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for grantee, schema, privilege in rows:
        name, host = str(grantee)[1:-1].split("'@'")
        target = str(schema).replace("\\_", "_").replace("\\%", "%")
        found.setdefault((name, host), {}).setdefault(target, []).append(str(privilege))
    return {who: {on: _shortened(on, have) for on, have in by.items()} for who, by in found.items()}


def _shortened(target: str, privileges: list[str]) -> list[str]:
    if target != EVERYWHERE and set(privileges) >= _ALL_ON_SCHEMA:
        return [ALL]
    return sorted(privileges)


def _on(target: str) -> str:
    if target == EVERYWHERE:
        return "*.*"
    return name_quoted(target.replace("_", "\\_").replace("%", "\\%")) + ".*"


def _verifier(digest: str) -> str:
    return hashlib.sha256(digest.encode()).hexdigest()
