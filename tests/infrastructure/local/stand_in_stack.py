"""Runs a local stack whose Python parts are small stand-ins: `python -m … HOME PORT [name=value …]`.

What the supervisor promises can then be tried in a second, whatever the service itself is doing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from infrastructure.local.stack import StackError, run_stack

_STAND_INS = {
    "main.py": "from part import serve\nserve(env='BILLING_PORT')\n",
    "jobs/__init__.py": "",
    "jobs/worker.py": "from part import work\nwork()\n",
    "jobs/projector.py": "from part import work\nwork()\n",
    "alembic/__init__.py": "",
    "alembic/__main__.py": "print('migrated')\n",
    "infrastructure/__init__.py": "",
    "infrastructure/simulators/__init__.py": "",
    "infrastructure/simulators/auth.py": "from part import serve\nserve(option='--port')\n",
    "infrastructure/simulators/mailbox.py": "from part import serve\nserve(option='--http-port')\n",
    "infrastructure/simulators/yookassa.py": "from part import serve\nserve(option='--port')\n",
    "part.py": """
import os, subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

def serve(env=None, option=None):
    if env and os.environ.get("STAND_IN_FAILS"):
        sys.exit("the stand-in does not want to start")
    port = int(os.environ[env] if env else sys.argv[sys.argv.index(option) + 1])
    HTTPServer(("127.0.0.1", port), Answer).serve_forever()

def work():
    # A process of its own that does not react to SIGTERM: it may not stay behind either.
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", stubborn])
    Path(os.environ["BILLING_HOME_DIR"], f"grandchild-{child.pid}").touch()
    Path(os.environ["BILLING_READY_FILE"]).touch()
    threading.Event().wait()
""",
}


@dataclass
class StandInWishes:
    port: int
    host: str = "127.0.0.1"
    admin_port: int = 1
    production: bool = False
    database_url: str | None = None
    redis_url: str | None = None
    elasticsearch_url: str | None = "none"
    yookassa_api_url: str | None = None
    yookassa_shop_id: str | None = None
    yookassa_secret_key: str | None = None
    auth_public_key: str | None = None
    auth_jwks_url: str | None = None
    auth_issuer: str | None = None
    auth_audience: str | None = None
    auth_api_url: str | None = None
    auth_api_token: str | None = None
    smtp_url: str | None = None
    card_keys: str | None = None
    clock: str = "system"
    admin_api_url: str | None = None
    admin_api_token: str | None = None
    admin_secret_key: str | None = None
    admin_password: str | None = None


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    home = Path(sys.argv[1])
    checkout = home.parent / "checkout"
    for name, text in _STAND_INS.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text)
    wishes = StandInWishes(port=int(sys.argv[2]))
    for given in sys.argv[3:]:
        name, _, value = given.partition("=")
        setattr(wishes, name, value or None)
    try:
        run_stack(
            wishes,
            home,
            say=_say,
            when_ready=lambda _stack, seconds: _say(f"READY after {seconds:.1f} s"),
            checkout=checkout,
        )
    except StackError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
