"""Since when a mail server has refused a mail with every try: after a few days of that the mail is given up."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "refused_since"
down_revision = "credited"
branch_labels = None
depends_on = None

_BEFORE = (
    "Mails owed and sent, one for each outcome that a person waits for (invariant 10). A queue by retry_by, which "
    "is the wall clock's and also the lease of the worker that sends it."
)
_NOW = (
    f"{_BEFORE} refused_since is the wall clock's too: since when "
    "the mail server has answered every try with a refusal."
)


def upgrade() -> None:
    op.add_column("mails", sa.Column("refused_since", sa.DateTime(timezone=True), nullable=True))
    op.create_table_comment("mails", _NOW, existing_comment=_BEFORE)


def downgrade() -> None:
    op.create_table_comment("mails", _BEFORE, existing_comment=_NOW)
    op.drop_column("mails", "refused_since")
