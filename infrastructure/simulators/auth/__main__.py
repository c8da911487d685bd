"""`python -m infrastructure.simulators.auth --port P --data-dir DIR`: the local auth service."""

from __future__ import annotations

import argparse
from pathlib import Path

from aiohttp import web

from infrastructure.simulators.auth.app import make_app
from infrastructure.simulators.auth.signing import write_service_token


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--service-token", type=Path, help="write a token for billing itself into this file")
    parser.add_argument("--admin-token", type=Path, help="write a token for the admin panel into this file")
    parser.add_argument("--issuer", help="`iss` of all its tokens")
    parser.add_argument("--audience", help="`aud` of all its tokens")
    arguments = parser.parse_args()
    folder, claims = arguments.data_dir, {"iss": arguments.issuer, "aud": arguments.audience}
    if arguments.service_token is not None:
        write_service_token(folder, arguments.service_token, claims)
    if arguments.admin_token is not None:
        write_service_token(folder, arguments.admin_token, claims, sub="admin-panel", scope="billing:admin")
    web.run_app(
        make_app(folder, claims),
        host=arguments.host,
        port=arguments.port,
        access_log=None,
        print=None,
        shutdown_timeout=1,
        reuse_address=True,
    )


if __name__ == "__main__":
    main()
