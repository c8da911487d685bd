"""A transaction's connection, with a short way for the statements that every transaction runs.

To run what it has run before costs SQLAlchemy 250 µs of processor, and the driver beneath it 90. So statements that
are built once are compiled once (`Prepared`), and the driver sends them. The transaction stays SQLAlchemy's: it begins
with the first statement, which SQLAlchemy sends as text, and commits, rolls back and leaves for the pool as ever.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped] # it ships no types
from sqlalchemy import BindParameter, Executable, Select
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

Values = Mapping[str, Any]
Row = Mapping[Any, Any]
_Converts = Callable[[Any], Any] | None
_T = TypeVar("_T")

_DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]


class Prepared:
    """A statement that is built once, as a module is loaded. Compiled once for each set of values that it is given."""

    def __init__(self, statement: Executable) -> None:
        self.statement = statement
        self._compiled: dict[frozenset[str], _Compiled] = {}

    def compiled_for(self, values: Values) -> _Compiled:
        names = frozenset(values)
        found = self._compiled.get(names)
        if found is None:
            found = self._compiled[names] = _Compiled.of(self.statement, names)
        return found


@dataclass(frozen=True, slots=True)
class _Compiled:
    """`binds`: for each placeholder its name, what it is where it is not given, and how it is written for the driver.

    `columns`: for each of the rows' what makes a value of what the driver read; empty where nothing has to be made.
    """

    sql: str
    binds: tuple[tuple[str, Any, _Converts], ...]
    columns: tuple[_Converts, ...]

    @classmethod
    def of(cls, statement: Executable, names: frozenset[str]) -> _Compiled:
        compiled = statement.compile(dialect=_DIALECT, column_keys=sorted(names))  # type: ignore[attr-defined] # all can
        assert isinstance(compiled, SQLCompiler)
        assert "POSTCOMPILE" not in compiled.string, "a list that is spelled out anew each time; give it as an array"
        constants = compiled.construct_params(dict.fromkeys(names))
        binds = []
        for name in compiled.positiontup or ():
            bind = compiled.binds.get(name)
            binds.append((name, constants[name], _written(bind) if bind is not None else None))
        columns = tuple(_read(column.type) for column in getattr(statement, "exported_columns", ()))
        return cls(compiled.string, tuple(binds), columns if any(columns) else ())

    def arguments(self, values: Values) -> list[Any]:
        found = [(values.get(name, constant), convert) for name, constant, convert in self.binds]
        return [value if convert is None else convert(value) for value, convert in found]

    def rows(self, records: Sequence[Any]) -> Sequence[Row]:
        if not self.columns:
            return records
        return [
            {
                name: value if convert is None else convert(value)
                for convert, (name, value) in zip(self.columns, record.items(), strict=True)
            }
            for record in records
        ]


def _written(bind: BindParameter[Any]) -> _Converts:
    return bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)


def _read(kind: TypeEngine[Any]) -> _Converts:
    return kind.dialect_impl(_DIALECT).result_processor(_DIALECT, None)


class PostgresLine:
    """`connection`: within a transaction, for whatever is not prepared."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._driver: Any = None

    @classmethod
    @asynccontextmanager
    async def alone(cls, engine: AsyncEngine) -> AsyncIterator[PostgresLine]:
        """`engine`: one whose statements stand each for itself (AUTOCOMMIT), so there is no transaction to begin."""
        async with engine.connect() as connection:
            line = cls(connection)
            line._driver = (await connection.get_raw_connection()).driver_connection
            yield line

    async def rows(self, statement: Prepared | Select[Any], values: Values) -> Sequence[Row]:
        """Raises SQLAlchemy's errors, as everything here."""
        records: Sequence[Row]
        if isinstance(statement, Select):
            records = (await self.connection.execute(statement, dict(values))).mappings().all()
            return records
        compiled = statement.compiled_for(values)
        if self._driver is None:
            records = (await self._begin(compiled, values)).mappings().all()
        else:
            records = await self._answer(self._driver.fetch, compiled.sql, compiled.arguments(values))
        return compiled.rows(records)

    async def row(self, prepared: Prepared, values: Values) -> Row | None:
        return next(iter(await self.rows(prepared, values)), None)

    async def value(self, prepared: Prepared, values: Values) -> Any:
        """Of the first row's first column; None where there is no row."""
        row = await self.row(prepared, values)
        return None if row is None else next(iter(row.values()))

    async def change(self, prepared: Prepared, values: Values) -> int:
        """How many rows were written."""
        compiled = prepared.compiled_for(values)
        if self._driver is None:
            return int((await self._begin(compiled, values)).rowcount)
        said: str = await self._answer(self._driver.execute, compiled.sql, compiled.arguments(values))
        return int(said.rpartition(" ")[2])  # UPDATE 1

    async def _begin(self, compiled: _Compiled, values: Values) -> Any:
        result = await self.connection.exec_driver_sql(compiled.sql, tuple(compiled.arguments(values)))
        self._driver = (await self.connection.get_raw_connection()).driver_connection
        return result

    async def _answer(self, send: Callable[..., Awaitable[_T]], sql: str, arguments: Sequence[Any]) -> _T:
        """Whoever listens to what SQLAlchemy runs, as tracers do, hears of this as well."""
        for hear in self.connection.sync_engine.dispatch.before_cursor_execute:
            hear(self.connection.sync_connection, None, sql, arguments, None, False)
        try:
            return await send(sql, *arguments)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise await self._told(error, sql) from error

    async def _told(self, error: Exception, sql: str) -> DBAPIError:
        """As SQLAlchemy would tell it; a connection that is broken must not go back to the pool."""
        gone = self._driver.is_closed()
        if gone:
            # By finding out itself, SQLAlchemy also lets go of the pool's other connections that are as old as this.
            with contextlib.suppress(SQLAlchemyError):  # not always a DBAPIError: a broken transaction has its own
                await self.connection.exec_driver_sql("SELECT 1")
        if isinstance(error, asyncpg.IntegrityConstraintViolationError):
            return IntegrityError(sql, None, error)
        if isinstance(error, asyncpg.InterfaceError):
            return InterfaceError(sql, None, error, connection_invalidated=gone)
        return DBAPIError(sql, None, error, connection_invalidated=gone)
