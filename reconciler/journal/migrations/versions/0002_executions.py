"""What schedules did, and when."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "executions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("schedule", sa.String(160), nullable=False),
        sa.Column("instance", sa.String(160), nullable=False),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("began", sa.Float, nullable=False),
        sa.Column("ended", sa.Float),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("backup", sa.String(255), nullable=False),
        sa.Column("output", sa.Text, nullable=False),
    )
    op.create_index("executions_by_schedule", "executions", ["schedule", "instance"])
