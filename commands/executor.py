"""Runs a command once for each idempotency key, however often and however many at a time ask for it (invariant 9)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from commands.card_payment import BringItAgain
from commands.collect_payment import CollectPayment, collect, collect_payment
from commands.world import World
from domain.cards import Cvc
from domain.errors import RuleBroken
from domain.payment import Payment
from domain.ports import Call, IdempotencyKeys, KeyedTransactions, KeyTaken, LostRace, Present, Reply, UnitOfWork

_WAIT_S = 2.0
"""How long a request waits for another with the same key before it is told to come again."""
_LOST_RACES = 3
"""How often a command looks again at what others change meanwhile; a constraint that stays broken is our mistake."""


class KeyReused(RuleBroken):
    code = "idempotency_key_reused"


class KeyInUse(RuleBroken):
    code = "idempotency_key_in_use"


class Executor:
    """key → handler → changes, events, outbox and reply in one commit.

    A handler that returns a Payment has written an intent: it is collected after that commit, and the
    settlement's transaction keeps the reply. Whatever else it returns is the outcome, kept at once.
    """

    def __init__(self, keys: IdempotencyKeys, world: World) -> None:
        self._keys = keys
        self._world = world

    async def run(
        self,
        call: Call,
        handle: Callable[[UnitOfWork], Awaitable[object]],
        present: Present,
        cvc: Cvc | None = None,
    ) -> Reply:
        """The command's reply, new or as it was kept; raises RuleBroken, after which nothing has changed.

        `cvc`: goes past the handler, which writes things down, straight to the call that the payment is made by.
        """
        transactions = self._keys.transactions(call, present)
        try:
            return await self._run(call, transactions, handle, cvc)
        except BringItAgain:
            await transactions.let_go()
            raise

    async def _run(
        self,
        call: Call,
        transactions: KeyedTransactions,
        handle: Callable[[UnitOfWork], Awaitable[object]],
        cvc: Cvc | None,
    ) -> Reply:
        now = asyncio.get_running_loop().time
        give_up_at, pause_s = now() + _WAIT_S, 0.02
        while True:
            try:
                return await self._for_the_first_time(transactions, handle, cvc)
            except KeyTaken:
                kept = await self._keys.find(call)
            if kept is not None:
                if kept.fingerprint not in (call.fingerprint, *call.earlier):
                    raise KeyReused("This key was used with another body.")
                if kept.reply is not None:
                    return kept.reply
                if not kept.running and kept.operation_id is not None and await self._keys.take_over(call):
                    return await self._go_on(transactions, kept.operation_id, cvc)
            if now() > give_up_at:
                raise KeyInUse("The first request with this key has not ended yet.")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 0.2)

    async def _for_the_first_time(
        self,
        transactions: KeyedTransactions,
        handle: Callable[[UnitOfWork], Awaitable[object]],
        cvc: Cvc | None,
    ) -> Reply:
        intent = await self._handled(transactions, handle)
        if intent is not None:
            await collect(intent, transactions, self._world, cvc=cvc, keyed=True)
        return _reply(transactions)

    async def _handled(
        self, transactions: KeyedTransactions, handle: Callable[[UnitOfWork], Awaitable[object]]
    ) -> Payment | None:
        """The payment that is to be collected now, if the command was one to pay."""
        for races_left in reversed(range(_LOST_RACES)):
            try:
                async with transactions.first() as uow:
                    outcome = await handle(uow)
                    if isinstance(outcome, Payment):
                        transactions.goes_on_with(outcome.id)
                    else:
                        uow.conclude(outcome)
                return outcome if isinstance(outcome, Payment) else None
            except LostRace:
                if not races_left:
                    raise
        raise AssertionError("a command ends by its outcome or by an error")

    async def _go_on(self, transactions: KeyedTransactions, payment_id: UUID, cvc: Cvc | None) -> Reply:
        """The request that began it died half-way: go on with its payment, do not start another."""
        await collect_payment(CollectPayment(payment_id, keyed=True), transactions, self._world, cvc)
        return _reply(transactions)


def _reply(transactions: KeyedTransactions) -> Reply:
    if transactions.reply is None:
        raise AssertionError("a command ended without an outcome")
    return transactions.reply
