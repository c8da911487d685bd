"""What a jumping clock must not undo: keys that have lapsed, and work that was set back."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "key_lapsed"
down_revision = "reconciliations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A constant default and a column without one are notes in the catalogue: no row is written (Postgres 11 and later).
    for table in ("payments", "refunds"):
        op.add_column(table, sa.Column("key_lapsed", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        op.add_column(table, sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "setbacks",
        sa.Column("duty", sa.Text(), nullable=False),
        sa.Column("object_id", sa.UUID(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retry_by", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("failures > 0", name=op.f("ck_setbacks_failures")),
        sa.PrimaryKeyConstraint("duty", "object_id", name=op.f("pk_setbacks")),
        comment="Duties of the workers that failed for one object, which steps aside until retry_at (the service's clock) or "
        "retry_by (the wall clock's), whichever comes first. Gone once it is done; after a few failures there is a case.",
    )


def downgrade() -> None:
    op.drop_table("setbacks")
    for table in ("refunds", "payments"):
        op.drop_column(table, "claimed_until")
        op.drop_column(table, "key_lapsed")
