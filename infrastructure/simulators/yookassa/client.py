"""The control API, for tests and the time machine. Asynchronous: a test's own server can answer meanwhile."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx


class ControlRefusedError(Exception):
    """The simulator would not do that; the message says why."""


_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Made once: httpx loads the system's certificates for each client otherwise, 20 ms, and here is plain http only."""


@dataclass(frozen=True)
class Ledger:
    """The payment system's own truth; see ledger.py for the keys. Amounts are strings with two decimals."""

    payments: list[dict[str, Any]]
    refunds: list[dict[str, Any]]
    calls: dict[str, dict[str, int]]  # operation → executed, replayed, refused → how many

    def payments_of(self, payment_id: object) -> list[dict[str, Any]]:
        """All that carry our payment's id in their metadata: more than one that succeeded is a double charge."""
        return [each for each in self.payments if each["metadata"].get("payment_id") == str(payment_id)]

    def refunds_of(self, provider_payment_id: str) -> list[dict[str, Any]]:
        return [each for each in self.refunds if each["payment_id"] == provider_payment_id]

    def executed(self, operation: str) -> int:
        return self.calls.get(operation, {}).get("executed", 0)

    def replayed(self, operation: str) -> int:
        return self.calls.get(operation, {}).get("replayed", 0)


class SimulatorControl:
    """`url`: the simulator's address without a slash at its end. Every method raises ControlRefusedError."""

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        self.url = url
        self._timeout_s = timeout_s

    def wait_until_ready(self, patience_s: float) -> None:
        """Blocks; raises TimeoutError."""
        give_up_at = time.monotonic() + patience_s
        while time.monotonic() < give_up_at:
            try:
                if httpx.get(f"{self.url}/healthz", timeout=1.0, verify=_NO_TLS).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.01)
        raise TimeoutError(f"nothing answers at {self.url}")

    async def token(self, number: str, exp_month: int | str = 12, exp_year: int | str = 2099, csc: str = "123") -> str:
        """A one-time token, as the shop's widget makes one of a card."""
        card = {"number": number, "exp_month": exp_month, "exp_year": exp_year, "csc": csc}
        answer: str = (await self._call("POST", "/tokens", card))["payment_token"]
        return answer

    async def pay(
        self,
        object_id: str,
        number: str,
        exp_month: int | str = 12,
        exp_year: int | str = 2099,
        csc: str = "123",
        *,
        code_right: bool = True,
    ) -> dict[str, Any]:
        """Do what the person on the page would: a payment's or a binding's. → {id, status, decline}."""
        card = {"number": number, "exp_month": exp_month, "exp_year": exp_year, "csc": csc, "code_right": code_right}
        return await self._call("POST", f"/payments/{object_id}/pay", card)

    async def leave(self, object_id: str) -> dict[str, Any]:
        """The person goes back to the shop without paying."""
        return await self._call("POST", f"/payments/{object_id}/leave")

    async def ledger(self) -> Ledger:
        return Ledger(**await self._call("GET", "/ledger"))

    async def tick(self) -> datetime | None:
        """Do everything that is due, try every undelivered notification once; when something is due next."""
        due = (await self._call("POST", "/tick"))["next_due"]
        return datetime.fromisoformat(due) if due else None

    async def fault(self, operation: str, kind: str, **options: Any) -> int:
        """Set a fault (faults.py says which and with what options); returns its id."""
        fault_id: int = (await self._call("POST", "/faults", {"operation": operation, "kind": kind, **options}))["id"]
        return fault_id

    async def outage(self, mode: str = "hang") -> int:
        """The whole system is away until lifted: `hang`, `refuse` (resets) or `unavailable` (503)."""
        return await self.fault("*", "outage", mode=mode, times=None)

    async def faults(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._call("GET", "/faults"))["faults"]
        return found

    async def lift(self, fault_id: int | None = None) -> None:
        """Lift one fault, or all."""
        await self._call("DELETE", "/faults" if fault_id is None else f"/faults/{fault_id}")

    async def behave(
        self,
        method_id: str,
        behaviour: str | None,
        *,
        party: str | None = None,
        times: int | None = None,
    ) -> None:
        """From now on (or `times` times) a saved method's charges end so: a reason, "success", None: as its card."""
        body = {"behaviour": behaviour, "party": party, "times": times}
        await self._call("POST", f"/methods/{method_id}", body)

    async def set_expiry(self, method_id: str, month: int, year: int) -> None:
        await self._call("POST", f"/methods/{method_id}", {"expiry_month": month, "expiry_year": year})

    async def notifications(self, object_id: str | None = None) -> list[dict[str, Any]]:
        """Newest first, with status (pending, held, delivered, lost, given_up), tries and last_answer."""
        query = f"?object_id={object_id}" if object_id else ""
        found: list[dict[str, Any]] = (await self._call("GET", f"/notifications{query}"))["notifications"]
        return found

    async def send_notification(self, body: dict[str, Any]) -> None:
        """Send any body to the shop as if it were a notification."""
        await self._call("POST", "/notifications", body)

    async def settle_payment(self, payment_id: str, reason: str | None = None) -> None:
        """End a pending payment: it succeeds, or is canceled for that reason."""
        await self._call("POST", f"/payments/{payment_id}/settle", _end(reason))

    async def settle_refund(self, refund_id: str, reason: str | None = None) -> None:
        """End a pending refund: it succeeds, or is canceled for that reason."""
        await self._call("POST", f"/refunds/{refund_id}", _end(reason))

    async def invent_payment(self, amount: str, metadata: dict[str, str] | None = None) -> str:
        """Write a succeeded payment into the books that nobody asked for; returns its id."""
        answer: str = (await self._call("POST", "/payments", {"amount": amount, "metadata": metadata}))["id"]
        return answer

    async def edit_payment(self, payment_id: str, **changes: Any) -> None:
        """Change `amount` or `metadata` in the books."""
        await self._call("PATCH", f"/payments/{payment_id}", changes)

    async def delete_payment(self, payment_id: str) -> None:
        await self._call("DELETE", f"/payments/{payment_id}")

    async def cabinet_refund(self, payment_id: str, amount: str) -> str:
        """A refund made by hand in the shop's cabinet; returns its id."""
        answer: str = (await self._call("POST", "/refunds", {"payment_id": payment_id, "amount": amount}))["id"]
        return answer

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=self._timeout_s, verify=_NO_TLS) as client:
            answer = await client.request(method, f"{self.url}/_simulator{path}", json=body)
        if answer.status_code != 200:
            raise ControlRefusedError(f"{method} {path}: {answer.status_code} {answer.text}")
        content: dict[str, Any] = answer.json()
        return content


def _end(reason: str | None) -> dict[str, str]:
    return {"status": "succeeded"} if reason is None else {"status": "canceled", "reason": reason}
