"""One request and what came back for it: the witness by which an outcome is judged, whatever the SDK makes of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


class UnreadableError(ValueError):
    """The payment system's words make no sense to us."""


@dataclass(slots=True)
class Exchange:
    """Has the attributes of a `requests.Response` that the SDK reads: status_code, content, headers, json()."""

    sent: bool = False
    status_code: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)
    error: str | None = None

    def json(self) -> object:
        """The body. Numbers with a fraction stay the text they were, so that no float takes part.

        Raises UnreadableError.
        """
        try:
            return json.loads(self.content, parse_float=str, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise UnreadableError("the body is not JSON") from None


class Call:
    """A call under way: lets the event loop cut the line of the thread that carries it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cut_line: Callable[[], None] | None = None
        self._given_up = False

    def begin(self, cut_line: Callable[[], None]) -> bool:
        """The thread takes the call up; False where it was given up before."""
        with self._lock:
            if not self._given_up:
                self._cut_line = cut_line
            return not self._given_up

    def end(self) -> None:
        """From here on the line belongs to the thread's next call and must not be cut for this one."""
        with self._lock:
            self._cut_line = None

    def give_up(self) -> None:
        """Nobody waits any longer: a thread that still reads is woken by the end of its connection."""
        with self._lock:
            self._given_up = True
            if self._cut_line is not None:
                self._cut_line()


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")
