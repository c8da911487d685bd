"""What of a payment lives on as credit is not returned as well: the two together never exceed what was captured."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "credited"
down_revision = "persons_by_address"
branch_labels = None
depends_on = None

_NAME = "ck_payments_refunds"
_NEW = "refunded >= 0 AND refund_reserved >= 0 AND credited >= 0 AND refunded + refund_reserved + credited <= amount"
_OLD = "refunded >= 0 AND refund_reserved >= 0 AND refunded + refund_reserved <= amount"


def upgrade() -> None:
    # A constant default is a note in the catalogue: no row is written (Postgres 11 and later).
    # What stands before the block is kept if this is cut short in it or after it: all of it can be done again.
    credited = sa.Column("credited", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    op.add_column("payments", credited, if_not_exists=True)
    op.execute(
        f"ALTER TABLE payments DROP CONSTRAINT IF EXISTS {_NAME}_new, "
        f"ADD CONSTRAINT {_NAME}_new CHECK ({_NEW}) NOT VALID"
    )
    with op.get_context().autocommit_block():  # reads all rows, and keeps nobody from writing meanwhile
        op.execute(f"ALTER TABLE payments VALIDATE CONSTRAINT {_NAME}_new")
    op.execute(f"ALTER TABLE payments DROP CONSTRAINT {_NAME}")
    op.execute(f"ALTER TABLE payments RENAME CONSTRAINT {_NAME}_new TO {_NAME}")


def downgrade() -> None:
    op.execute(f"ALTER TABLE payments DROP CONSTRAINT {_NAME}")
    op.execute(f"ALTER TABLE payments ADD CONSTRAINT {_NAME} CHECK ({_OLD})")
    op.drop_column("payments", "credited")
