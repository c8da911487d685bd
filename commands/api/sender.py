"""From which address a request came, where reverse proxies of ours stand in front."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_Address = IPv4Address | IPv6Address
_WITH_PORT = re.compile(r"\[(?P<v6>[0-9A-Fa-f:.]+)\](?::\d{1,5})?|(?P<v4>\d+\.\d+\.\d+\.\d+):\d{1,5}")


def sender_of(direct: str, forwarded_for: Sequence[str], trusted_proxies: tuple[str, ...]) -> str:
    """The address that knocked or, where that is a trusted proxy, the right-most one forwarded that is none.

    `forwarded_for`: the values of `X-Forwarded-For` in their order. Each proxy adds on the right whom it heard, so what
    stands further left was sent by whoever is found here, and proves nothing. What is no address is returned as it is.
    """
    if not _is_trusted(direct, trusted_proxies):
        return direct
    said = ",".join(forwarded_for)
    for part in reversed(said.split(",") if said.strip() else []):
        address = _bare(part.strip())
        if not _is_trusted(address, trusted_proxies):
            return address
    return direct


def _bare(part: str) -> str:
    """Without the port and the brackets that some proxies write: 192.0.2.1:4711, [2001:db8::1]:4711."""
    found = _WITH_PORT.fullmatch(part)
    return (found["v6"] or found["v4"]) if found else part


def _is_trusted(text: str, trusted_proxies: tuple[str, ...]) -> bool:
    address = _read(text)
    return address is not None and any(address in network for network in _networks(trusted_proxies))


def _read(text: str) -> _Address | None:
    """An IPv4 address written as IPv6, as a socket for both gives it, is the IPv4 one."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=8)
def _networks(trusted_proxies: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(_read(text) or text) for text in trusted_proxies)
