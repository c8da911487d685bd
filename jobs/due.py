"""The statements by which a worker finds and takes what is due, each built once.

They take `now`, the service's time, and `most`, how many. What was set back after a failure steps aside. Claims go by
the wall's clock, and all of one statement end at one instant.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, DateTime, Integer, Select, Table, any_, bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PGUUID

from domain.ports import CLAIM
from infrastructure.postgres.line import Prepared
from infrastructure.postgres.reconciliations import holds_unheard_money
from infrastructure.postgres.rows import is_free
from infrastructure.postgres.setbacks import holds
from infrastructure.postgres.tables import inbox, payments, refunds, subscriptions
from infrastructure.postgres.wall import WALL_NOW

_INSTANT = DateTime(timezone=True)
_NOW = bindparam("now", type_=_INSTANT)
_MOST = bindparam("most", type_=Integer)
_LAPSES = WALL_NOW + CLAIM


def _first(query: Select[Any]) -> Select[Any]:
    """The first so many, past what others hold this instant."""
    return query.limit(_MOST).with_for_update(skip_locked=True)


def _take_charges() -> Prepared:
    table = subscriptions
    due = select(table.c.id).where(
        table.c.next_charge_at <= _NOW,
        table.c.open_payment_id.is_(None),
        ~table.c.refunding,
        ~holds("renewal", table.c.id),
        ~holds_unheard_money(table.c.id),
        is_free(table),
    )
    taken = update(table).where(table.c.id.in_(_first(due.order_by(table.c.next_charge_at, table.c.id))))
    return Prepared(taken.values(claimed_until=_LAPSES).returning(table.c.id, table.c.claimed_until))


def _take_unresolved(table: Table, duty: str) -> Prepared:
    """Takes `too_far` as well: no wait is that long, so a clock was ahead when it was set.

    What was sent by that clock has to be looked for soon. `lapses`: when, by the service's clock, what a worker leaves
    that dies is there for the next; by the wall's clock it is as well, since one of the two may be held.
    """
    due = select(table.c.id).where(
        table.c.ask_again_by.is_not(None),  # of what is open, which has an index of its own
        or_(
            table.c.ask_again_at <= _NOW,
            table.c.ask_again_by <= WALL_NOW,
            table.c.ask_again_by > bindparam("too_far", type_=_INSTANT),
        ),
        is_free(table),
        ~holds(duty, table.c.id),
    )
    taken = update(table).where(table.c.id.in_(_first(due.order_by(table.c.ask_again_by, table.c.id))))
    lapses = bindparam("lapses", type_=_INSTANT)
    claims = {"ask_again_at": lapses, "ask_again_by": _LAPSES, "claimed_until": _LAPSES}
    return Prepared(taken.values(**claims).returning(table.c.id, table.c.claimed_until))


def _take_notifications(*, strangers: bool) -> Prepared:
    due = select(inbox.c.id).where(inbox.c.stranger.is_(strangers), inbox.c.retry_by <= WALL_NOW)
    taken = update(inbox).where(inbox.c.id.in_(_first(due.order_by(inbox.c.retry_by, inbox.c.id))))
    return Prepared(taken.values(retry_by=_LAPSES).returning(inbox.c.id))


def _find(duty: str, due: ColumnElement[bool], order: ColumnElement[Any]) -> Prepared:
    """Nobody claims these: they are short, ask nobody outside, and the second who comes finds them done."""
    found = select(subscriptions.c.id).where(due, ~holds(duty, subscriptions.c.id))
    return Prepared(found.order_by(order, subscriptions.c.id).limit(_MOST))


def _give_back(table: Table) -> Prepared:
    """Takes `ids` and `claims`: those that are ours still; one that nobody gives back lapses."""
    given = update(table).where(
        table.c.id == any_(bindparam("ids", type_=ARRAY(PGUUID(as_uuid=True)))),
        table.c.claimed_until == any_(bindparam("claims", type_=ARRAY(_INSTANT))),
    )
    return Prepared(given.values(claimed_until=None))


TAKE_CHARGES = _take_charges()
TAKE_UNRESOLVED = {"payment": _take_unresolved(payments, "payment"), "refund": _take_unresolved(refunds, "refund")}
TAKE_NOTIFICATIONS = _take_notifications(strangers=False)
TAKE_STRANGERS = _take_notifications(strangers=True)
FIND_REMINDERS = _find(
    "reminder", (subscriptions.c.remind_at <= _NOW) & ~subscriptions.c.refunding, subscriptions.c.remind_at
)
FIND_ENDINGS = _find(
    "ending",
    (subscriptions.c.end_at <= _NOW)
    & subscriptions.c.open_payment_id.is_(None)
    & (~subscriptions.c.refunding | subscriptions.c.cancel_at_period_end),
    subscriptions.c.end_at,
)
GIVE_BACK = {table.name: _give_back(table) for table in (subscriptions, payments, refunds)}
