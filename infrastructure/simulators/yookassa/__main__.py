"""`python -m infrastructure.simulators.yookassa`."""

from __future__ import annotations

import argparse
from pathlib import Path

from domain.ports import Clock
from infrastructure.clock import HeldClock, SystemClock
from infrastructure.simulators.yookassa.app import create_app
from infrastructure.simulators.yookassa.serve import listening, server
from infrastructure.simulators.yookassa.store import Store


def main() -> None:
    options = _options()
    clock: Clock = HeldClock(options.database_url, patience_s=15.0) if options.clock == "held" else SystemClock()
    app = create_app(
        Store(options.data_dir),
        clock,
        shop_id=options.shop_id,
        secret_key=options.secret_key,
        notify_url=options.notify_url,
        pci=options.pci,
        shop_name=options.shop_name,
    )
    server(app).run([listening(options.host, options.port)])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="yookassa", description="A stand-in for YooKassa, for local use.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True, help="where the books are kept")
    parser.add_argument("--shop-id", required=True)
    parser.add_argument("--secret-key", required=True)
    parser.add_argument("--notify-url", help="where notifications go; none are sent without it")
    parser.add_argument("--clock", choices=("system", "held"), default="system")
    parser.add_argument("--database-url", help="the Postgres that holds the clock")
    parser.add_argument("--shop-name", default="Cinema", help="what the payment page calls the shop")
    parser.add_argument("--pci", action="store_true", help="the shop may send raw card data")
    options = parser.parse_args()
    if options.clock == "held" and not options.database_url:
        parser.error("a held clock needs --database-url")
    return options


if __name__ == "__main__":
    main()
