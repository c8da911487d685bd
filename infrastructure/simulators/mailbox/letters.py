"""The mails that came in: one `.eml` file each, so that they outlive the process."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from uuid import uuid4

_RECIPIENTS = "X-Mailbox-To"  # the envelope's, put before the mail as it came


@dataclass(frozen=True, slots=True)
class Summary:
    """What is needed to find a mail; the rest is read from its file."""

    id: str
    to: tuple[str, ...]
    sender: str
    subject: str
    date: str
    events: tuple[str, ...]
    object: str


class Letters:
    """All mails, oldest first. One process writes; a file is whole or not there."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "messages"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._summaries: dict[str, Summary] = {}
        for path in sorted(self._folder.glob("*.eml")):
            self._summaries[path.stem] = _summary(path.stem, _head(path.read_bytes()))

    def keep(self, recipients: list[str], content: bytes) -> str:
        """Write a mail down; returns its id. Ids sort by arrival."""
        letter_id = f"{time.time_ns():020d}-{uuid4().hex[:8]}"
        addresses = ", ".join(recipient.replace("\r", "").replace("\n", "") for recipient in recipients)
        data = f"{_RECIPIENTS}: {addresses}\r\n".encode() + content
        draft = self._folder / f".{letter_id}"
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / f"{letter_id}.eml")
        self._summaries[letter_id] = _summary(letter_id, _head(data))
        return letter_id

    def find(self, to: str = "", event: str = "", object_id: str = "") -> list[Summary]:
        """The newest first; an empty filter lets everything through."""
        return [
            summary
            for summary in reversed(list(self._summaries.values()))  # a copy: mails are kept in threads
            if (not to or to.lower() in (address.lower() for address in summary.to))
            and (not event or event in summary.events)
            and (not object_id or object_id == summary.object)
        ]

    def read(self, letter_id: str) -> dict[str, Any] | None:
        """A mail with its headers and both its bodies; None where there is none of that id."""
        summary = self._summaries.get(letter_id)
        if summary is None:
            return None
        try:
            message = _parse((self._folder / f"{letter_id}.eml").read_bytes())
        except FileNotFoundError:  # somebody tidied the folder up by hand
            del self._summaries[letter_id]
            return None
        return {
            "id": summary.id,
            "to": list(summary.to),
            "from": summary.sender,
            "subject": summary.subject,
            "date": summary.date,
            "message_id": _header(message, "Message-ID"),
            "headers": {
                "X-Billing-Event": " ".join(summary.events) or None,
                "X-Billing-Object": summary.object or None,
            },
            "all_headers": [[name, _text(value)] for name, value in message.raw_items() if name != _RECIPIENTS],
            "text": _body(message, "plain"),
            "html": _body(message, "html"),
        }

    def clear(self) -> int:
        """Throw all mails away; returns how many there were."""
        count = len(self._summaries)
        for letter_id in list(self._summaries):
            (self._folder / f"{letter_id}.eml").unlink(missing_ok=True)
            del self._summaries[letter_id]
        return count


def _head(data: bytes) -> EmailMessage:
    """Its headers alone: bodies take most of the time, and thousands of mails are read at a start."""
    return BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(data, headersonly=True)


def _parse(data: bytes) -> EmailMessage:
    return message_from_bytes(data, policy=policy.default)


def _summary(letter_id: str, message: EmailMessage) -> Summary:
    addresses = (address.strip() for address in _header(message, _RECIPIENTS).split(","))
    return Summary(
        id=letter_id,
        to=tuple(address for address in addresses if address),
        sender=_header(message, "From"),
        subject=_header(message, "Subject"),
        date=_header(message, "Date"),
        events=tuple(_header(message, "X-Billing-Event").split()),
        object=_header(message, "X-Billing-Object"),
    )


def _header(message: EmailMessage, name: str) -> str:
    try:
        return _text(message.get(name, ""))
    except Exception:  # noqa: BLE001 - the library fails in many ways over broken headers; the mail is shown anyway
        return ""


def _text(value: object) -> str:
    """Without halves of characters, which no page and no JSON can carry."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _body(message: EmailMessage, kind: str) -> str | None:
    try:
        part = message.get_body(preferencelist=(kind,))
        return None if part is None else _text(part.get_content())
    except Exception:  # noqa: BLE001 - as above: an unknown charset, a broken encoding
        return None
