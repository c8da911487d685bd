"""Stored cards, and the payments that are made with them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "cards"
down_revision = "plan_changes"
branch_labels = None
depends_on = None

_KEPT = sa.text("removed_at IS NULL")
_NAMED = sa.text("card_id IS NOT NULL")


def upgrade() -> None:
    # What stands before the block is kept if this is cut short in it: all of it can be done again.
    op.create_table(
        "cards",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("first6", sa.Text(), nullable=False),
        sa.Column("last4", sa.Text(), nullable=False),
        sa.Column("exp_month", sa.SmallInteger(), nullable=False),
        sa.Column("exp_year", sa.SmallInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("removed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("first6 ~ '^[0-9]{6}$' AND last4 ~ '^[0-9]{4}$'", name=op.f("ck_cards_shown_digits")),
        sa.CheckConstraint("exp_month BETWEEN 1 AND 12", name=op.f("ck_cards_exp_month")),
        sa.CheckConstraint("exp_year BETWEEN 2000 AND 2999", name=op.f("ck_cards_exp_year")),
        sa.CheckConstraint(
            "CASE WHEN removed_at IS NULL THEN num_nulls(fingerprint, sealed, key_id) = 0 "
            "ELSE num_nonnulls(fingerprint, sealed, key_id) = 0 END",
            name=op.f("ck_cards_removed_keeps_no_secret"),
        ),
        sa.CheckConstraint(
            "octet_length(sealed) > 92 AND substring(sealed FROM 1 FOR 3) = '\\x435601'::bytea "
            "AND substring(sealed FROM 5 FOR get_byte(sealed, 3)) = convert_to(key_id, 'UTF8')",
            name=op.f("ck_cards_sealed"),
        ),
        sa.CheckConstraint("fingerprint ~ '^.+:[0-9a-f]{64}$'", name=op.f("ck_cards_fingerprint")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_cards_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cards")),
        comment="Persons' stored cards (PAY-13): number and holder sealed by the vault under key_id, fingerprint an HMAC of the "
        "number. A CVC stands nowhere. A removed card stays for the payments that name it and keeps no secret.",
        if_not_exists=True,
    )
    kept, by_key = ["user_id", "fingerprint"], ["key_id", "id"]
    newest_first: list[str | sa.TextClause] = ["user_id", sa.text("created_at DESC"), sa.text("id DESC")]
    op.create_index("uq_cards_kept", "cards", kept, unique=True, postgresql_where=_KEPT, if_not_exists=True)
    op.create_index("ix_cards_user", "cards", newest_first, if_not_exists=True)
    op.create_index("ix_cards_key", "cards", by_key, postgresql_where=sa.text("key_id IS NOT NULL"), if_not_exists=True)
    # Nobody has paid with a card yet: all of it is a note in the catalogue, and the checks read without keeping anybody.
    op.add_column("payments", sa.Column("card_id", sa.UUID(), nullable=True), if_not_exists=True)
    op.execute(
        "ALTER TABLE payments DROP CONSTRAINT IF EXISTS fk_payments_card_id_cards, "
        "DROP CONSTRAINT IF EXISTS ck_payments_card, "
        "ADD CONSTRAINT fk_payments_card_id_cards FOREIGN KEY (card_id) REFERENCES cards (id) NOT VALID, "
        "ADD CONSTRAINT ck_payments_card CHECK ((pays_with = 'card') = (card_id IS NOT NULL)) NOT VALID"
    )
    with op.get_context().autocommit_block():
        for name in ("fk_payments_card_id_cards", "ck_payments_card"):
            op.execute(f"ALTER TABLE payments VALIDATE CONSTRAINT {name}")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_payments_card")  # one that was cut short is not valid
        op.create_index(
            "ix_payments_card", "payments", ["card_id"], postgresql_where=_NAMED, postgresql_concurrently=True
        )


def downgrade() -> None:
    op.drop_index("ix_payments_card", table_name="payments", postgresql_where=_NAMED)
    op.execute("ALTER TABLE payments DROP CONSTRAINT ck_payments_card")
    op.drop_column("payments", "card_id")
    op.drop_table("cards")
