"""`python -m infrastructure.simulators.auth --port P --data-dir DIR`: the local auth service."""

from __future__ import annotations

import argparse
from pathlib import Path

from aiohttp import web

from infrastructure.simulators.auth.app import make_app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    arguments = parser.parse_args()
    web.run_app(
        make_app(arguments.data_dir),
        host=arguments.host,
        port=arguments.port,
        access_log=None,
        print=None,
        shutdown_timeout=1,
        reuse_address=True,
    )


if __name__ == "__main__":
    main()
