"""Why a person canceled, in their own words: beside the subscription, where it can be erased, and not among events."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "cancel_reason"
down_revision = "last_price_holds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("cancel_reason", sa.Text(), nullable=True))
    # Second keys are spelled with a dash now: what is under way under an older one is looked for before it is sent again.
    op.execute("UPDATE refunds SET key_lapsed = true WHERE key_number > 1 AND status IN ('pending', 'unknown')")


def downgrade() -> None:
    op.drop_column("subscriptions", "cancel_reason")
