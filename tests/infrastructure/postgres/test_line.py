"""What goes to the driver itself is part of the transaction, and ends like everything else in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import bindparam, event, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from infrastructure.postgres.line import PostgresLine, Prepared
from infrastructure.postgres.outage import is_outage
from infrastructure.postgres.tables import events, idempotency_keys, users

_NEW = Prepared(insert(users).returning(users.c.id))
_NAMED = Prepared(select(users.c.id, users.c.name).where(users.c.id == bindparam("its_id")))
_NAME = Prepared(update(users).where(users.c.id == bindparam("its_id")))
_HAPPENED = Prepared(insert(events))
_WHAT = Prepared(select(events.c.data, events.c.at).where(events.c.id == bindparam("its_id")))
_PROCESS = Prepared(select(func.pg_backend_pid()))
_KEY = Prepared(insert(idempotency_keys))
_KEPT = Prepared(
    select(idempotency_keys.c.fingerprint, idempotency_keys.c.reply_headers).where(
        idempotency_keys.c.key == bindparam("its_key")
    )
)


async def _names(engine: AsyncEngine, its_id: UUID) -> list[str | None]:
    async with engine.connect() as connection:
        return list((await connection.execute(select(users.c.name).where(users.c.id == its_id))).scalars())


async def test_what_was_written_is_there_after_the_commit(engine: AsyncEngine) -> None:
    its_id = uuid4()
    async with engine.begin() as connection:
        line = PostgresLine(connection)
        assert await line.value(_NEW, {"id": its_id}) == its_id  # by SQLAlchemy, with which the transaction begins
        assert await line.change(_NAME, {"its_id": its_id, "name": "Anna"}) == 1
        row = await line.row(_NAMED, {"its_id": its_id})
        assert row is not None
        assert (row["id"], row["name"]) == (its_id, "Anna")
        assert await _names(engine, its_id) == []
    assert await _names(engine, its_id) == ["Anna"]


async def test_an_error_takes_all_of_it_back(engine: AsyncEngine) -> None:
    its_id = uuid4()

    async def fail() -> None:
        async with engine.begin() as connection:
            line = PostgresLine(connection)
            await line.value(_NEW, {"id": uuid4()})
            await line.value(_NEW, {"id": its_id})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await _names(engine, its_id) == []


async def test_a_broken_constraint_is_told_as_sqlalchemy_tells_it(engine: AsyncEngine) -> None:
    async def write_twice(its_id: UUID) -> None:
        async with engine.begin() as connection:
            line = PostgresLine(connection)
            await line.value(_NEW, {"id": its_id})
            await line.value(_NEW, {"id": its_id})

    with pytest.raises(IntegrityError) as told:
        await write_twice(uuid4())
    assert getattr(told.value.orig, "sqlstate", None) == "23505"


async def test_nobody_gets_a_connection_that_broke(engine: AsyncEngine) -> None:
    async def break_it() -> None:
        async with engine.begin() as connection:
            line = PostgresLine(connection)
            await line.value(_NEW, {"id": uuid4()})
            process = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with engine.begin() as other:
                await other.execute(text("SELECT pg_terminate_backend(:process)"), {"process": process})
            await line.value(_NEW, {"id": uuid4()})

    with pytest.raises(DBAPIError) as told:
        await break_it()
    assert is_outage(told.value)
    its_id = uuid4()
    async with engine.begin() as connection:
        line = PostgresLine(connection)
        await line.value(_NEW, {"id": its_id})
        await line.change(_NAME, {"its_id": its_id, "name": "Boris"})
    assert await _names(engine, its_id) == ["Boris"]


async def test_json_bytes_and_instants_come_back_as_they_went(engine: AsyncEngine) -> None:
    its_id, at = uuid4(), datetime(2027, 1, 31, 9, 0, 0, 123456, tzinfo=UTC)
    happened: dict[str, Any] = {"id": its_id, "at": at, "type": "payment.succeeded", "user_id": uuid4()}
    happened |= {"subscription_id": uuid4(), "actor_kind": "system", "actor_id": "billing"}
    happened["data"] = {"plan_name": "Премиум «плюс»", "attempt": 1, "none": None, "nested": {"list": [1, "2"]}}
    key: dict[str, Any] = {"caller": "anna", "route": "POST /", "key": uuid4().hex, "fingerprint": b"\x00\xff"}
    key |= {"created_at": at, "leased_until": at + timedelta(seconds=30)}
    async with engine.begin() as connection:
        line = PostgresLine(connection)
        await line.value(_NEW, {"id": uuid4()})
        await line.change(_HAPPENED, happened)
        await line.change(_KEY, key)
        what, kept = await line.row(_WHAT, {"its_id": its_id}), await line.row(_KEPT, {"its_key": key["key"]})
    assert what is not None
    assert kept is not None
    assert (what["data"], what["at"]) == (happened["data"], at)
    assert (kept["fingerprint"], kept["reply_headers"]) == (b"\x00\xff", None)


async def test_what_has_no_name_has_a_value(engine: AsyncEngine) -> None:
    is_there = Prepared(select(select(users.c.id).where(users.c.id == bindparam("its_id")).exists()))
    its_id = uuid4()
    async with engine.begin() as connection:
        line = PostgresLine(connection)
        await line.value(_NEW, {"id": its_id})
        assert await line.value(is_there, {"its_id": its_id}) is True
        assert await line.value(is_there, {"its_id": uuid4()}) is False


async def test_where_each_statement_stands_for_itself_it_is_there_at_once(engine: AsyncEngine) -> None:
    its_id = uuid4()
    async with PostgresLine.alone(engine.execution_options(isolation_level="AUTOCOMMIT")) as line:
        await line.value(_NEW, {"id": its_id})
        await line.change(_NAME, {"its_id": its_id, "name": "Vera"})
        assert await _names(engine, its_id) == ["Vera"]


async def test_who_listens_to_the_engine_hears_of_it(engine: AsyncEngine) -> None:
    heard: list[str] = []

    def hear(*given: Any) -> None:
        heard.append(given[2])

    event.listen(engine.sync_engine, "before_cursor_execute", hear)
    try:
        async with engine.begin() as connection:
            line = PostgresLine(connection)
            for _ in range(2):
                await line.rows(_NAMED, {"its_id": uuid4()})
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", hear)
    assert len(heard) == 2
    assert heard[0].split() == heard[1].split(), "the driver sends what SQLAlchemy would"


def test_a_list_that_is_spelled_out_anew_each_time_is_refused() -> None:
    several = Prepared(select(func.count()).where(users.c.id.in_(bindparam("ids", expanding=True))))
    with pytest.raises(AssertionError, match="give it as an array"):
        several.compiled_for({"ids": [uuid4()]})


async def test_a_restart_of_postgres_fails_one_statement_and_not_one_for_each_connection(engine: AsyncEngine) -> None:
    alone = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with PostgresLine.alone(alone) as one, PostgresLine.alone(alone) as another:
        processes = [await line.value(_PROCESS, {}) for line in (one, another)]
    outsider = create_async_engine(engine.url)
    async with outsider.connect() as connection:
        for process in processes:
            end = text("SELECT pg_terminate_backend(:process, 10000)")
            assert (await connection.execute(end, {"process": process})).scalar_one()
    await outsider.dispose()
    with pytest.raises(DBAPIError) as told:
        async with PostgresLine.alone(alone) as line:
            await line.value(_PROCESS, {})
    assert is_outage(told.value)
    async with PostgresLine.alone(alone) as line:
        assert await line.value(_PROCESS, {}) not in processes
