"""A person is found by the beginning of their e-mail address, however it is written: the admin panel looks them up."""

from __future__ import annotations

from alembic import op

revision = "persons_by_address"
down_revision = "cards"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():  # made beside those who write; one that was interrupted is made anew
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_users_email")
        op.execute("CREATE INDEX CONCURRENTLY ix_users_email ON users (upper(email) text_pattern_ops)")


def downgrade() -> None:
    op.execute("DROP INDEX ix_users_email")
