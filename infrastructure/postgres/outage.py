"""Which errors mean that Postgres is away or overloaded, so that trying again soon may help."""

from __future__ import annotations

import errno
import socket
from typing import Final

import asyncpg  # type: ignore[import-untyped] # ships no types
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_CLASSES: Final = ("08", "53", "57")  # connection exceptions, no resources, operator intervention
_STATES: Final = frozenset({"55P03", "40001", "40P01", "25006", "25P03"})
"""Lock not available, serialization failure, deadlock, a server that only reads, a transaction cut off when idle."""
NO_PRIMARY: Final = asyncpg.exceptions.TargetServerAttributeNotMatched
"""Of several servers none is the one that is asked for, as in the middle of a switchover."""
_UNREACHABLE: Final = frozenset({None, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})


def is_outage(error: BaseException) -> bool:
    """True where the database, not the statement, is what failed."""
    if isinstance(error, PoolTimeout):
        return True
    if isinstance(error, DBAPIError):
        if isinstance(error.orig, BaseException) and isinstance(error.orig.__cause__, NO_PRIMARY):
            return True
        state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
        if state is not None:
            return str(state).startswith(_CLASSES) or state in _STATES
        return bool(error.connection_invalidated) or "InterfaceError" in type(error).__name__
    if isinstance(error, (ConnectionError, TimeoutError, socket.gaierror, NO_PRIMARY)):
        return True
    # A name of several addresses none of which answers is told without a number.
    return type(error) is OSError and error.errno in _UNREACHABLE
