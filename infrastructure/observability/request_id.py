"""The id that one operation carries from the HTTP call through its jobs to the mail.

The HTTP side takes it with `accept_request_id`, rows keep it (`events.request_id`, `mails.request_id`), and a job
that goes on with a row does so inside `following(row.request_id)`. Every log line inside carries it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from infrastructure.observability.redaction import redact_text

HEADER = "X-Request-ID"

_PRINTABLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)

_current: ContextVar[str | None] = ContextVar("billing_request_id", default=None)


def current_request_id() -> str | None:
    """The id of the operation under way in this task; None outside of any."""
    return _current.get()


def accept_request_id(given: str | None) -> str:
    """The caller's id where it is fit to be kept and logged, else one of our own.

    It ends in tables and logs, so what looks like a card number or a token is not taken over.
    """
    if given is not None and _PRINTABLE_ID.fullmatch(given) and redact_text(given) == given:
        return given
    return str(uuid.uuid4())


@contextmanager
def following(request_id: str | None) -> Iterator[str]:
    """Inside the block the operation has this id; a new one where None is given. Tasks started inside inherit it."""
    followed = request_id or str(uuid.uuid4())
    before = _current.set(followed)
    try:
        yield followed
    finally:
        _current.reset(before)
