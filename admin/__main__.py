"""`python -m admin` serves the panel; `python -m admin migrate` prepares its tables; further words are Django's own.

Of these `createsuperuser` and `changepassword` are what production needs (docs/operations.md).
"""

from __future__ import annotations

import os
import sys

import django
import uvicorn

from infrastructure.observability.logs import configure_logs
from settings import PanelSettings, load_panel, or_exit


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "admin.django_settings"
    with or_exit():
        given = load_panel(serving=len(sys.argv) == 1)
    configure_logs(json=given.production, level=given.log_level, process="admin", known_secrets=given.secrets)
    django.setup()
    match sys.argv[1:]:
        case []:
            serve(given)
        case ["migrate"]:
            from admin.preparation import prepare  # noqa: PLC0415 - needs Django as it was just set up

            prepare(given.admin_password)
        case further:
            from django.core.management import execute_from_command_line  # noqa: PLC0415 - only now

            execute_from_command_line(["python -m admin", *further])


def serve(given: PanelSettings) -> None:
    from admin.asgi import application  # noqa: PLC0415 - needs Django as it was just set up

    config = uvicorn.Config(
        application,
        host=given.host,
        port=given.admin_port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=15,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
