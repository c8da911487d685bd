"""`python -m infrastructure.simulators.mailbox --smtp-port P --http-port Q --data-dir DIR`: the local mailbox."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from aiohttp import web

from infrastructure.simulators.mailbox.letters import Letters
from infrastructure.simulators.mailbox.smtp import Faults, listen
from infrastructure.simulators.mailbox.web import make_app


async def serve(host: str, smtp_port: int, http_port: int, data_dir: Path) -> None:
    """Take and show mails until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    letters, faults = Letters(data_dir), Faults()
    smtp = await listen(host, smtp_port, letters, faults)
    runner = web.AppRunner(make_app(letters, faults), access_log=None, shutdown_timeout=1)
    await runner.setup()
    # HTTP last: whoever sees /healthz answered may send mails.
    await web.TCPSite(runner, host, http_port, reuse_address=True).start()
    await stop.wait()
    smtp.close()
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.host, arguments.smtp_port, arguments.http_port, arguments.data_dir))


if __name__ == "__main__":
    main()
