"""The first journal. Migrations only go forward (mitaka-remove-sql-schema-downgrades)."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("ended", sa.Float),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("cloud", sa.String(64), nullable=False),
        sa.Column("plan", sa.String(64), nullable=False),
        sa.Column("actions", sa.Integer, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
    )
    op.create_table(
        "entries",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("address", sa.String(160), nullable=False),
        sa.Column("item", sa.String(255), nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("verb", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
    )
    op.create_index("entries_by_address", "entries", ["address"])
    op.create_index("entries_by_run", "entries", ["run"])
    op.create_table(
        "instances",
        sa.Column("address", sa.String(160), primary_key=True),
        sa.Column("instance", sa.String(36), nullable=False),
        sa.Column("incarnation", sa.Integer, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("deleted_at", sa.Float),
    )
    op.create_table(
        "faults",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("address", sa.String(160), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("item", sa.String(255), nullable=False),
        sa.Column("message", sa.String(255), nullable=False),
        sa.Column("details", sa.Text, nullable=False),
    )
    op.create_index("faults_by_address", "faults", ["address"])
    op.create_table(
        "root_history",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("address", sa.String(160), nullable=False),
        sa.Column("enabled", sa.Float, nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
    )
