"""Structured logs: JSON for machines, one readable line for people; every line redacted, each with its request id.

Lines of foreign libraries (uvicorn, arq, alembic, the YooKassa SDK) come the same way out as ours. What they attach
beside the text (`extra=`) is left out: the YooKassa SDK attaches the Authorization header and the whole body.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from infrastructure.observability.redaction import redact
from infrastructure.observability.request_id import current_request_id

_SHORTEST_KNOWN_SECRET = 6
"""Shorter ones would mask ordinary words all over the logs."""


def configure_logs(
    *, json: bool, level: str, process: str, known_secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Set up logging for this process; may be called again. Raises ValueError for a level that is none.

    `process`: which one it is (`api`, `worker`, `projector`), on each line. `known_secrets`: keys and passwords of the
    settings, masked wherever they turn up literally. `stream`: standard error unless told.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"no level of logging: {level}")
    secrets = tuple(sorted({s for s in known_secrets if len(s) >= _SHORTEST_KNOWN_SECRET}, key=len, reverse=True))
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _with_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            _Naming(process),
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,  # the plain traceback: richer ones print local variables, cards too
            _Redaction(secrets),
            structlog.processors.JSONRenderer(ensure_ascii=False) if json else _ReadableLine(),
        ],
    )
    handler = OurHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    logging.captureWarnings(capture=True)
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()  # libraries that print by themselves would print twice, and unredacted
        logger.propagate = True
    for name in ("httpx", "httpcore", "urllib3", "elastic_transport.transport", "elastic_transport.node"):
        logging.getLogger(name).setLevel(max(number, logging.WARNING))  # a line for each call says nothing new


class OurHandler(logging.StreamHandler[TextIO]):
    """A log that cannot be written stops nothing, and the line that failed is not printed raw instead."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except Exception as error:  # noqa: BLE001 - whatever a line's content does, the operation goes on
            return f'{{"level": "error", "event": "a log line could not be written: {type(error).__name__}"}}'

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's own name
        """The library's own prints the line's arguments to standard error."""


class _Naming:
    def __init__(self, process: str) -> None:
        self._process = process

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event.setdefault("process", self._process)
        return event


class _Redaction:
    def __init__(self, known: tuple[str, ...]) -> None:
        self._known = known

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> MutableMapping[str, Any]:
        clean: dict[str, Any] = redact(dict(event), known=self._known)
        return clean


class _ReadableLine:
    """`12:00:01 info     api  what happened  name=value …` and the traceback below."""

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        at = str(event.pop("at", ""))[11:19]
        level = str(event.pop("level", "info"))
        process = str(event.pop("process", ""))
        what = str(event.pop("event", ""))
        event.pop("logger", None)
        below = [str(event.pop(name)) for name in ("exception", "stack") if event.get(name)]
        facts = " ".join(f"{name}={_shown(value)}" for name, value in event.items())
        return "\n".join([f"{at} {level:<8} {process:<9} {_shown_text(what)}  {facts}".rstrip(), *below])


def _shown(value: Any) -> str:
    text = _shown_text(str(value))
    return repr(text) if " " in text or not text else text


def _shown_text(text: str) -> str:
    """One line, with nothing that moves a terminal's cursor: input must not forge lines."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _with_request_id(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    request_id = current_request_id()
    if request_id is not None:
        event.setdefault("request_id", request_id)
    return event
