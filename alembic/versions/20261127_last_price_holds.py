"""The table of prices says what becomes of one that a clock set which was ahead."""

from __future__ import annotations

from alembic import op

revision = "last_price_holds"
down_revision = "refused_since"
branch_labels = None
depends_on = None

_BEFORE = (
    "Prices of plans in minor units, each valid from its instant until the next: none is ever rewritten, so a "
    "payment's price can be explained for ever."
)
_NOW = (
    "Prices of plans in minor units, each valid from its instant until the next. The one that is set last takes back "
    "what lies ahead of it; what held before stays, so a payment's price can be explained for ever."
)


def upgrade() -> None:
    op.create_table_comment("plan_prices", _NOW, existing_comment=_BEFORE)


def downgrade() -> None:
    op.create_table_comment("plan_prices", _BEFORE, existing_comment=_NOW)
