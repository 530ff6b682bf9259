"""The journal's tables, as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("started", Float, nullable=False),
    Column("ended", Float),
    Column("actor", String(255), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("cloud", String(64), nullable=False),
    Column("plan", String(64), nullable=False),
    Column("actions", Integer, nullable=False),
    Column("outcome", String(16), nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run", String(32), nullable=False),
    Column("at", Float, nullable=False),
    Column("address", String(160), nullable=False),
    Column("item", String(255), nullable=False),
    Column("step", String(32), nullable=False),
    Column("verb", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Index("entries_by_address", "address"),
    Index("entries_by_run", "run"),
)

instances = Table(
    "instances",
    metadata,
    Column("address", String(160), primary_key=True),
    Column("instance", String(36), nullable=False),
    Column("incarnation", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("created", Float, nullable=False),
    Column("deleted_at", Float),
)

executions = Table(
    "executions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("schedule", String(160), nullable=False),
    Column("instance", String(160), nullable=False),
    Column("due", Float, nullable=False),
    Column("began", Float, nullable=False),
    Column("ended", Float),
    Column("state", String(16), nullable=False),
    Column("backup", String(255), nullable=False),
    Column("output", Text, nullable=False),
    Index("executions_by_schedule", "schedule", "instance"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("type", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("payload", JSON, nullable=False),
    # A number is never given twice, also when the table is empty.
    sqlite_autoincrement=True,
)

receivers = Table(
    "receivers",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("delivered", Integer, nullable=False),
)

faults = Table(
    "faults",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("address", String(160), nullable=False),
    Column("created", Float, nullable=False),
    Column("run", String(32), nullable=False),
    Column("item", String(255), nullable=False),
    Column("message", String(255), nullable=False),
    Column("details", Text, nullable=False),
    Index("faults_by_address", "address"),
)

root_history = Table(
    "root_history",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("address", String(160), nullable=False),
    Column("enabled", Float, nullable=False),
    Column("actor", String(255), nullable=False),
)

resources = Table(
    "resources",
    metadata,
    Column("source", String(255), primary_key=True),
    Column("address", String(160), primary_key=True),
    Column("health", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("revision", String(64), nullable=False),
    Column("pending", Integer, nullable=False),
    Column("waits", Text, nullable=False),
    Column("applied", String(64), nullable=False),
    Column("fault", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("retry_at", Float, nullable=False),
    Column("facts", JSON, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("source", String(255), nullable=False),
    Column("controller", String(255), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject", Text, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("made", Float, nullable=False),
    Column("ended", Float),
    Column("outcome", Text, nullable=False),
    sqlite_autoincrement=True,
)

suspensions = Table(
    "suspensions",
    metadata,
    Column("subject", String(160), primary_key=True),
    Column("actor", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("made", Float, nullable=False),
    Column("until", Float),
)

plans = Table(
    "plans",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("made", Float, nullable=False),
    Column("document", LargeBinary, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("plan", String(64), primary_key=True),
    Column("actor", String(255), primary_key=True),
    Column("made", Float, nullable=False),
    Column("signature", Text, nullable=False),
)

sources = Table(
    "sources",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("revision", String(64), nullable=False),
    Column("problem", Text, nullable=False),
    Column("since", Float, nullable=False),
)

controllers = Table(
    "controllers",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("beat", Float, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("project", String(64), primary_key=True),
    Column("holder", String(255), nullable=False),
    Column("token", Integer, nullable=False),
    Column("expires", Float, nullable=False),
)
