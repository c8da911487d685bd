"""How checking a token can end badly."""

from __future__ import annotations


class InvalidToken(Exception):  # noqa: N818 - named for what the caller hears: 401
    """The token is not believed. `reason` is safe to show and to log: it never quotes the token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeysUnavailable(Exception):  # noqa: N818 - named for what the caller hears: 503
    """Nobody can tell whether the token is good: the auth service's keys could not be fetched."""


class UnusableKey(ValueError):  # noqa: N818 - read in the sentence that stops the start
    """A configured public key is none that tokens can be checked with; the message never quotes it."""
