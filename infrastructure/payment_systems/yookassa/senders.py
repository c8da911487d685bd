"""From where YooKassa sends notifications, as documented; the SDK's list lacks the IPv6 range."""

from __future__ import annotations

import ipaddress

_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "185.71.76.0/27",
        "185.71.77.0/27",
        "77.75.153.0/25",
        "77.75.154.128/25",
        "77.75.156.11/32",
        "77.75.156.35/32",
        "2a02:5180::/32",
    )
)


def is_sender(address: str) -> bool:
    """An IPv4 address written as IPv6 (`::ffff:…`) is the IPv4 one; what is no address is nobody's."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return False
        ip = ip.ipv4_mapped or ip
    return any(ip in network for network in _NETWORKS)
