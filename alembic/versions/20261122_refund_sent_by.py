"""When a refund's key was first used, by the database's clock: ours may be held, or wrong."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "refund_sent_by"
down_revision = "strangers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In two steps: a column that comes with such a default would have every row of the table written anew.
    op.add_column("refunds", sa.Column("sent_by", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("refunds", "sent_by", server_default=sa.text("clock_timestamp()"))


def downgrade() -> None:
    op.drop_column("refunds", "sent_by")
