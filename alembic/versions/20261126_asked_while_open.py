"""What is open is asked for: the janitor's two instants stand as long as a payment or refund has not ended."""

from __future__ import annotations

from alembic import op

revision = "asked_while_open"
down_revision = "payment_system_used"
branch_labels = None
depends_on = None

_NAME = "asked_while_open"
_RULE = (
    "CASE WHEN status IN ('pending', 'unknown') THEN ask_again_at IS NOT NULL AND ask_again_by IS NOT NULL "
    "ELSE ask_again_at IS NULL AND ask_again_by IS NULL END"
)


def upgrade() -> None:
    # What stands before the block is kept if this is cut short in it: all of it can be done again.
    for table in ("payments", "refunds"):
        name = f"ck_{table}_{_NAME}"
        op.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name} CHECK ({_RULE}) NOT VALID"
        )
    with op.get_context().autocommit_block():  # reads all rows, and keeps nobody from writing meanwhile
        for table in ("payments", "refunds"):
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_{_NAME}")


def downgrade() -> None:
    for table in ("refunds", "payments"):
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{_NAME}")
