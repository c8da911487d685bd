"""Reports of reconciliation, one a day."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "reconciliations"
down_revision = "534d01d08d36"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("payment_system", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("passes", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("compared_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("payments", sa.Integer(), nullable=False),
        sa.Column("refunds", sa.Integer(), nullable=False),
        sa.Column(
            "findings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint("stage IN ('payments', 'refunds', 'done')", name=op.f("ck_reconciliations_stage")),
        sa.CheckConstraint("finished_at IS NULL OR stage = 'done'", name=op.f("ck_reconciliations_finished")),
        sa.CheckConstraint("passes > 0 AND payments >= 0 AND refunds >= 0", name=op.f("ck_reconciliations_counts")),
        sa.CheckConstraint("jsonb_typeof(findings) = 'array'", name=op.f("ck_reconciliations_findings")),
        sa.PrimaryKeyConstraint("payment_system", "day", name=op.f("pk_reconciliations")),
        comment="Reports of reconciliation, one a payment system and calendar day (Europe/Moscow). stage and "
        "compared_until say where a pass that was interrupted goes on; payments and refunds count the objects that the "
        "last pass compared. finished_at stays NULL until a pass has seen all of a day that is over.",
    )


def downgrade() -> None:
    op.drop_table("reconciliations")
