"""Sends one mail over SMTP. How it went is a value: sent, not now, or never."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

_LOCAL: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_ADDRESS = re.compile(r'[^\s@<>()\[\]\\,;:"\x00-\x1f\x7f]{1,64}@[^\s@<>()\[\]\\,;:"\x00-\x1f\x7f]{1,253}')
_TOKEN = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9._+-]{1,120}@[A-Za-z0-9._-]{1,120}>")
_NOT_FOR_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_MAX_SUBJECT = 250
_ENHANCED = re.compile(r"5\.(\d{1,3})\.(\d{1,3})(?!\d)")  # RFC 3463: what a refusal is about
_NO_SUCH_READER = frozenset({550, 551, 553})
_OF_THE_SENDER = frozenset({"7", "8"})  # 5.1.7 and 5.1.8 are about an address as well: ours
_TLS_PORT = 465  # TLS from the first byte (RFC 8314)
_GOODBYE_S = 2.0


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one person.

    `message_id`: `<…@…>`, or a word to which the sender's domain is added; the same for every try, so that a mail that
    had to be sent twice is one to a mail program. `events`: what it tells of, e.g. `payment.succeeded`; `object_id`:
    the payment, refund or subscription. `date`: aware, by the service's clock.
    """

    to: str = field(repr=False)
    message_id: str
    date: datetime
    events: tuple[str, ...]
    object_id: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """The server has taken the mail over."""


@dataclass(frozen=True, slots=True)
class TryLater:
    """Not sent, or not known to be: the server is out, slow, or asked for patience.

    `refused`: it says that it never will, as servers also do while something is wrong with them, or with us.
    """

    why: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """This mail will never be taken; sending it again is of no use. `address`: for nobody can be reached by it."""

    why: str
    address: bool = False


class _Policy(EmailPolicy):
    """How a mail is written down: the library's newer code loses spaces where it folds a long subject."""

    def fold(self, name: str, value: Any) -> str:
        if name == "Subject" and not self.utf8:
            return f"{name}: {Header(str(value), 'utf-8', header_name=name).encode(linesep=self.linesep)}{self.linesep}"
        folded: str = super().fold(name, value)
        return folded

    def fold_binary(self, name: str, value: Any) -> bytes:
        return self.fold(name, value).encode("utf-8" if self.utf8 else "ascii")


_POLICY = _Policy(linesep=SMTP.linesep, cte_type="7bit")


class SmtpSender:
    """`url`: `smtp://[user:password@]host:port`; `mail_from`: an address, also as `Name <address>`.

    TLS is used wherever the server offers it, with its certificate checked; a server on this machine needs none.
    A password leaves this machine only inside TLS. One connection a mail: mails are few, and nothing is left to break.
    """

    def __init__(self, url: str, mail_from: str, *, deadline_s: float = 15.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "smtp" or not parts.hostname:
            raise ValueError("expected smtp://[user:password@]host:port")
        self._host = parts.hostname
        self._port = parts.port or 25
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password or "")
        self._local = self._host in _LOCAL
        self._deadline_s = deadline_s
        if not mail_from.isprintable():
            raise ValueError("expected a sender's address on one line")
        name, self._sender = parseaddr(mail_from)
        self._from = _address(self._sender, _one_line(name))

    async def send(self, mail: Mail) -> Sent | TryLater | Undeliverable:
        """Hand the mail to the server. Never raises for what server or mail are; ends within the deadline.

        To the goodbye of a mail that was taken over two seconds more are given.
        """
        try:
            message = self._message(mail)
        except ValueError as error:
            return Undeliverable(f"no mail can be made of it: {error}", address=not _is_address(mail.to))
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            timeout=self._deadline_s,
            use_tls=self._port == _TLS_PORT,
            start_tls=False,  # done below, by the rules of this class
            local_hostname="billing",
        )
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._deliver(client, mail.to, message)
            await _say_goodbye(client)
        except Exception as error:  # noqa: BLE001 - whatever a server or a network comes up with is an answer here
            return _judge(error)
        finally:
            client.close()
        return Sent()

    async def _deliver(self, client: aiosmtplib.SMTP, to: str, message: EmailMessage) -> None:
        await client.connect()
        await client.ehlo()
        safe = self._local or self._port == _TLS_PORT
        if not safe and client.supports_extension("starttls"):
            await client.starttls(tls_context=ssl.create_default_context())
            await client.ehlo()
            safe = True
        if self._user is not None:
            if not safe:
                raise ConnectionError("the server offers no TLS, so the password is not sent")
            await client.login(self._user, self._password)
        international = not (to + self._sender).isascii()
        content = message.as_bytes(policy=_POLICY.clone(utf8=international))
        options = ["SMTPUTF8", "BODY=8BITMIME"] if international else []
        await client.sendmail(self._sender, [to], content, mail_options=options)

    def _message(self, mail: Mail) -> EmailMessage:
        """Raises ValueError where something would not be what it says in a header."""
        if not mail.events or not all(_TOKEN.fullmatch(event) for event in mail.events):
            raise ValueError("events are words")
        if not _TOKEN.fullmatch(mail.object_id):
            raise ValueError("object_id is a word")
        domain = self._sender.rpartition("@")[2]
        message_id = f"<{mail.message_id}@{domain}>" if _TOKEN.fullmatch(mail.message_id) else mail.message_id
        if not _MESSAGE_ID.fullmatch(message_id):
            raise ValueError("message_id is a word or <word@domain>")
        message = EmailMessage(policy=_POLICY)
        message["From"] = self._from
        message["To"] = _address(mail.to)
        message["Subject"] = _one_line(mail.subject)
        message["Date"] = format_datetime(mail.date)
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"  # no holiday replies, please (RFC 3834)
        message["X-Billing-Event"] = " ".join(mail.events)
        message["X-Billing-Object"] = mail.object_id
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    """The mail is taken over by now, however this goes; so the deadline of the mail is not that of the goodbye."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_GOODBYE_S):
            await client.quit()


def _is_address(address: str) -> bool:
    """No `=?` either: it begins a word in code, which would be decoded into the header."""
    return _ADDRESS.fullmatch(address) is not None and "=?" not in address


def _address(address: str, name: str = "") -> Address:
    if not _is_address(address):
        raise ValueError("expected an address such as billing@example.org")
    return Address(name, *address.rsplit("@", 1))


def _one_line(text: str) -> str:
    line = " ".join(_NOT_FOR_A_LINE.sub(" ", text).split())
    return line if len(line) <= _MAX_SUBJECT else line[: _MAX_SUBJECT - 1] + "…"


def _judge(error: Exception) -> TryLater | Undeliverable:
    """Only what is said about the reader's address is final; the rest is the server's or the operator's trouble."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        return _judge(error.recipients[0])
    if isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError) and error.code >= 500:
        why = f"refused with {error.code}: {_one_line(error.message)}"
        return Undeliverable(why, address=True) if _knows_no_such_reader(error) else TryLater(why, refused=True)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return TryLater("the server can't write to such an address", refused=True)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return TryLater(f"answered {error.code}: {_one_line(error.message)}")
    return TryLater(f"{type(error).__name__}: {_one_line(str(error))}")


def _knows_no_such_reader(error: aiosmtplib.SMTPResponseException) -> bool:
    of_reader = isinstance(error, aiosmtplib.SMTPRecipientRefused) and error.code in _NO_SUCH_READER
    told = _ENHANCED.match(error.message)
    if told is None:
        return of_reader
    subject, detail = told.groups()
    return detail not in _OF_THE_SENDER if subject == "1" else of_reader and subject != "7"  # which is policy
