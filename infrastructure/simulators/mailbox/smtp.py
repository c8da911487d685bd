"""The SMTP side of the mailbox, with outages on demand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from infrastructure.simulators.mailbox.letters import Letters


@dataclass(slots=True)
class Faults:
    """What goes wrong at present.

    `refuse`: every reader is refused for good (550). `policy`: every mail is, whoever its reader is (554).
    `temporary`: so many mails are refused for now (451).
    `hang`: greetings are never answered. `lose_answer`: so many mails are kept, and the sender never hears of it.
    """

    refuse: bool = False
    policy: bool = False
    temporary: int = 0
    hang: bool = False
    lose_answer: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self, *, refuse: bool, policy: bool, temporary: int, hang: bool, lose_answer: int) -> None:
        """Replace all of them; whoever hangs is let go."""
        self.refuse, self.policy, self.temporary = refuse, policy, temporary
        self.hang, self.lose_answer = hang, lose_answer
        self.released.set()
        self.released = asyncio.Event()

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("refuse", "policy", "temporary", "hang", "lose_answer")}


class Receiver:
    """What aiosmtpd calls for each step of a delivery; the method names are its own."""

    def __init__(self, letters: Letters, faults: Faults) -> None:
        self._letters = letters
        self._faults = faults

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        if self._faults.hang:
            await self._faults.released.wait()
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self._faults.refuse:
            return "550 5.1.1 this mailbox refuses everything at present"
        if self._faults.policy:
            return "554 5.7.1 this mailbox takes nothing from you at present"
        if self._faults.temporary > 0:
            self._faults.temporary -= 1
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        content = envelope.content or b""
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        letter_id = await asyncio.to_thread(self._letters.keep, list(envelope.rcpt_tos), data)
        if self._faults.lose_answer > 0:
            self._faults.lose_answer -= 1
            await self._faults.released.wait()
        return f"250 2.0.0 kept as {letter_id}"


async def listen(host: str, port: int, letters: Letters, faults: Faults) -> asyncio.Server:
    """Start to take mails."""
    loop = asyncio.get_running_loop()
    receiver = Receiver(letters, faults)
    return await loop.create_server(
        lambda: SMTP(receiver, enable_SMTPUTF8=True, loop=loop, hostname="mailbox.local", ident="Mailbox"), host, port
    )
