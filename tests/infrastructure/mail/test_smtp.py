"""A mail is sent, not now, or never; and it says only what it was told to say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from infrastructure.mail.smtp import Mail, Sent, SmtpSender, TryLater, Undeliverable
from tests.infrastructure.mail.conftest import Mailbox, running

FROM = "Кинотеатр <billing@example.org>"


def mail(**changes: object) -> Mail:
    return replace(
        Mail(
            to=f"viewer-{uuid4().hex[:8]}@example.org",
            message_id=uuid4().hex,
            date=datetime(2027, 1, 31, 9, 0, tzinfo=UTC),
            events=("payment.succeeded", "subscription.renewed"),
            object_id=str(uuid4()),
            subject="Оплата прошла: 499,00 ₽",
            text="Спасибо!\n.\nТочка в строке письмо не кончает.",
            html="<p>Спасибо! <b>499,00&nbsp;₽</b></p>",
        ),
        **changes,  # type: ignore[arg-type]  # named fields of various kinds
    )


def sender(mailbox: Mailbox, deadline_s: float = 5) -> SmtpSender:
    return SmtpSender(mailbox.smtp_url, FROM, deadline_s=deadline_s)


async def test_a_mail_arrives_as_it_was_written(mailbox: Mailbox) -> None:
    letter = mail()
    assert await sender(mailbox).send(letter) == Sent()
    [arrived] = await mailbox.messages(to=letter.to)
    assert arrived["subject"] == letter.subject
    assert arrived["from"] == FROM
    assert arrived["text"].replace("\r\n", "\n").strip() == letter.text
    assert arrived["html"].strip() == letter.html
    assert arrived["message_id"] == f"<{letter.message_id}@example.org>"
    assert arrived["date"] == "Sun, 31 Jan 2027 09:00:00 +0000"
    assert arrived["headers"] == {
        "X-Billing-Event": "payment.succeeded subscription.renewed",
        "X-Billing-Object": letter.object_id,
    }


async def test_a_long_subject_in_russian_arrives_whole(mailbox: Mailbox) -> None:
    letter = mail(subject="Подписка продлена, " * 12)
    assert await sender(mailbox).send(letter) == Sent()
    assert (await mailbox.messages(to=letter.to))[0]["subject"] == letter.subject.strip()


async def test_an_address_beyond_ascii_is_written_to(mailbox: Mailbox) -> None:
    letter = mail(to="зритель@пример.рф")
    assert await sender(mailbox).send(letter) == Sent()
    assert (await mailbox.messages(to=letter.to))[0]["subject"] == letter.subject


@pytest.mark.parametrize("subject", ["x\r\nBcc: thief@example.org", "x\nBcc: thief@example.org", "x\x00\x1b[2J\u2028y"])
async def test_a_subject_with_line_breaks_makes_no_header(mailbox: Mailbox, subject: str) -> None:
    letter = mail(subject=subject)
    assert await sender(mailbox).send(letter) == Sent()
    [arrived] = await mailbox.messages(to=letter.to)
    assert "bcc" not in {name.lower() for name, _ in arrived["all_headers"]}
    assert arrived["subject"].startswith("x ")
    assert not await mailbox.messages(to="thief@example.org")


INJECTIONS: dict[str, dict[str, object]] = {
    "a reader with a line break": {"to": "a@example.org\r\nBcc: b@example.org"},
    "two readers": {"to": "a@example.org, b@example.org"},
    "a reader with a command": {"to": "a@example.org> SIZE=1\r\nRCPT TO:<b@example.org"},
    "no reader": {"to": ""},
    "a reader with a line break in code": {"to": "=?utf-8?b?DQpCY2M6IGVAdi5ydQ==?=@evil.example"},
    "two readers in code": {"to": "=?utf-8?b?dmljdGltQGJhbmsucnUsIHg=?=@evil.example"},
    "an event with a line break": {"events": ("payment.succeeded\r\nBcc: b@example.org",)},
    "no event": {"events": ()},
    "an object with a line break": {"object_id": "1\nBcc: b@example.org"},
    "an id with a line break": {"message_id": "<1@example.org>\r\nBcc: b@example.org"},
    "half a character": {"text": "\ud800"},
}


@pytest.mark.parametrize("changes", INJECTIONS.values(), ids=INJECTIONS)
async def test_what_is_no_mail_is_never_sent(mailbox: Mailbox, changes: dict[str, object]) -> None:
    assert isinstance(await sender(mailbox).send(mail(**changes)), Undeliverable)
    assert not await mailbox.messages()


async def test_a_refusal_for_good_and_one_for_now_are_told_apart(mailbox: Mailbox) -> None:
    await mailbox.faults(refuse=True)
    assert isinstance(await sender(mailbox).send(mail()), Undeliverable)
    await mailbox.faults(temporary=1)
    assert isinstance(await sender(mailbox).send(mail()), TryLater)
    assert await sender(mailbox).send(mail()) == Sent()


REFUSED = {
    "the mailbox is not there": ("RCPT", b"550 5.1.1 no such user", Undeliverable),
    "the mailbox is not there, in the words of an old server": ("RCPT", b"550 no such user", Undeliverable),
    "the reader has moved": ("RCPT", b"551 user not local", Undeliverable),
    "no mailbox has such a name": ("RCPT", b"553 mailbox name not allowed", Undeliverable),
    "the mailbox is closed": ("RCPT", b"550 5.2.1 mailbox disabled", Undeliverable),
    "the address turns out wrong once the mail is there": ("DATA", b"554 5.1.1 no such user", Undeliverable),
    "we are on a list": ("RCPT", b"550 5.7.1 blocked", TryLater),
    "we may not relay": ("RCPT", b"554 5.7.1 relay access denied", TryLater),
    "it trusts nobody, in the words of an old server": ("RCPT", b"554 transaction failed", TryLater),
    "our own address is wrong": ("RCPT", b"550 5.1.8 sender address rejected: domain not found", TryLater),
    "the mailbox is full": ("RCPT", b"552 5.2.2 mailbox full", TryLater),
    "the mail looks like advertising": ("DATA", b"554 5.7.1 spam", TryLater),
    "something is wrong with it": ("DATA", b"550 5.3.0 internal error", TryLater),
}


@pytest.mark.parametrize(("step", "answer", "kind"), REFUSED.values(), ids=REFUSED)
async def test_only_what_is_said_about_the_readers_address_is_final(
    step: str, answer: bytes, kind: type[TryLater | Undeliverable]
) -> None:
    usual = [b"220 hi", b"250 hi", b"250 ok", b"250 ok", b"354 go on"]
    lines = [*usual[: 3 if step == "RCPT" else 5], answer, b"250 bye"]
    server = await asyncio.start_server(_answers([line + b"\r\n" for line in lines]), "127.0.0.1", 0)  # type: ignore[arg-type]  # as below
    port = server.sockets[0].getsockname()[1]
    async with server, asyncio.timeout(5):
        result = await SmtpSender(f"smtp://127.0.0.1:{port}", FROM, deadline_s=2).send(mail())
    assert isinstance(result, kind)
    assert result == Undeliverable(result.why, address=True) or result == TryLater(result.why, refused=True)


def _answers(lines: list[bytes]) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]:
    """One line for the greeting and for each command; a mail's content is one command."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in lines:
            writer.write(line)
            await writer.drain()
            if not await reader.readuntil(b"\r\n.\r\n" if line.startswith(b"354") else b"\r\n"):
                break
        writer.close()

    return talk


async def test_a_server_that_hangs_is_left_at_the_deadline(mailbox: Mailbox) -> None:
    await mailbox.faults(hang=True)
    async with asyncio.timeout(2):
        assert isinstance(await sender(mailbox, deadline_s=0.3).send(mail()), TryLater)


async def test_a_mail_whose_answer_was_lost_is_sent_again_under_the_same_id(mailbox: Mailbox) -> None:
    await mailbox.faults(lose_answer=1)
    letter = mail()
    assert isinstance(await sender(mailbox, deadline_s=0.5).send(letter), TryLater)
    assert await sender(mailbox).send(letter) == Sent()
    assert len({one["message_id"] for one in await mailbox.messages(to=letter.to)}) == 1


async def test_a_mail_that_is_taken_over_is_sent_however_slow_the_goodbye() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in (b"220 hi", b"250 hi", b"250 ok", b"250 ok", b"354 go on"):
            writer.write(line + b"\r\n")
            await reader.readuntil(b"\r\n.\r\n" if line.startswith(b"354") else b"\r\n")
        await asyncio.sleep(0.4)  # so that the deadline falls into the goodbye
        writer.write(b"250 taken\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, asyncio.timeout(5):
        assert await SmtpSender(f"smtp://127.0.0.1:{port}", FROM, deadline_s=0.6).send(mail()) == Sent()


async def test_nobody_listening_is_an_outage() -> None:
    assert isinstance(await SmtpSender("smtp://127.0.0.1:1", FROM).send(mail()), TryLater)


def _says(*lines: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in lines:
            writer.write(line)
            await writer.drain()
            if not await reader.readline():
                break
        writer.close()

    return talk


TALKS: dict[str, tuple[bytes, ...]] = {
    "says nothing and hangs up": (),
    "speaks another language": (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
    "has no place at present": (b"421 too many connections\r\n",),
    "refuses us altogether": (b"554 no SMTP service here\r\n",),
    "refuses the sender": (b"220 hi\r\n", b"250 hi\r\n", b"550 who are you\r\n", b"250 bye\r\n"),
    "hangs up after the greeting": (b"220 hi\r\n", b""),
    "sends a line without end": (b"2" * 100_000,),
}


@pytest.mark.parametrize("lines", TALKS.values(), ids=TALKS)
async def test_a_server_that_talks_oddly_is_tried_later(lines: tuple[bytes, ...]) -> None:
    server = await asyncio.start_server(_says(*lines), "127.0.0.1", 0)  # type: ignore[arg-type]  # what it answers is unused
    port = server.sockets[0].getsockname()[1]
    async with server, asyncio.timeout(5):
        result = await SmtpSender(f"smtp://127.0.0.1:{port}", FROM, deadline_s=1).send(mail())
    assert isinstance(result, TryLater)


@pytest.mark.parametrize("url", ["http://127.0.0.1:25", "smtp://", "127.0.0.1:25", "smtp://host:port"])
def test_a_wrong_address_of_the_server_stops_the_start(url: str) -> None:
    with pytest.raises(ValueError, match=r"smtp|[Pp]ort"):
        SmtpSender(url, FROM)


@pytest.mark.parametrize("mail_from", ["", "Cinema", "Cinema <>", "a@b\r\nBcc: c@d"])
def test_a_wrong_sender_stops_the_start(mail_from: str) -> None:
    with pytest.raises(ValueError, match="address"):
        SmtpSender("smtp://127.0.0.1:25", mail_from)


def test_neither_reader_nor_letter_are_in_what_is_logged_of_a_mail() -> None:
    assert "example.org" not in repr(mail())
    assert "Спасибо" not in repr(mail())


async def test_many_mails_at_once_are_all_kept_and_can_be_looked_for_meanwhile(mailbox: Mailbox) -> None:
    letters = [mail(to="crowd@example.org") for _ in range(40)]
    results, *_ = await asyncio.gather(
        asyncio.gather(*(sender(mailbox).send(letter) for letter in letters)),
        *(mailbox.messages(to="CROWD@example.org") for _ in range(10)),
    )
    assert results == [Sent()] * 40
    kept = {one["message_id"] for one in await mailbox.messages(to="crowd@example.org")}
    assert kept == {f"<{letter.message_id}@example.org>" for letter in letters}


async def test_mails_outlive_a_restart_of_the_mailbox(tmp_path: Path) -> None:
    letter = mail()
    async with running(tmp_path) as mailbox:
        await sender(mailbox).send(letter)
    async with running(tmp_path) as mailbox:
        [found] = await mailbox.messages(event="subscription.renewed", object=letter.object_id)
        assert found["subject"] == letter.subject
        assert await mailbox.call("GET", f"/messages/{found['id']}") == found
        assert not await mailbox.messages(event="refund.succeeded")
