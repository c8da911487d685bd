"""Free ports of this machine."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

_RANGE = (20_000, 32_000)
"""Below the range from which the system takes ports of outgoing connections, which could take one before its server."""


class PortTakenError(Exception):
    """Somebody else listens where a part was to listen; the message names host, port and variable."""


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: an old connection is no hindrance
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """A port where nobody listens."""
    chance = random.SystemRandom()
    for _ in range(200):
        port = chance.randrange(*_RANGE)
        if is_free(host, port):
            return port
    raise PortTakenError(f"found no free port on {host} between {_RANGE[0]} and {_RANGE[1]}")


def require_free(host: str, port: int, variable: str) -> None:
    """Raises PortTakenError where somebody listens there already."""
    if not is_free(host, port):
        raise PortTakenError(
            f"{host}:{port} is taken by another program, or is no address here; {variable} can name another"
        )


class StablePorts:
    """Ports that a home folder keeps from one start to the next, as long as they are still free."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ports: dict[str, int] = {}
        try:
            kept = json.loads(file.read_text())
            self._ports = {str(name): int(port) for name, port in kept.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self._ports = {}  # first start, or an unreadable file: nothing is lost with it

    def port(self, name: str) -> int:
        """The port of that part: the one of last time where it is free, else a new one, kept from now on."""
        port = self._ports.get(name)
        others = {kept for other, kept in self._ports.items() if other != name}
        while port is None or port in others or not is_free("127.0.0.1", port):
            port = free_port()
        self._ports[name] = port
        self._file.write_text(json.dumps(self._ports, indent=1))
        return port
