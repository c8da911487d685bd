"""The simulator as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from infrastructure.simulators.yookassa.client import SimulatorControl
from infrastructure.simulators.yookassa.serve import Running

ROOT = Path(__file__).resolve().parents[4]


@contextmanager
def process(port: int, data_dir: Path, notify_url: str, more: Mapping[str, str] | None = None) -> Iterator[Running]:
    """The simulator as it is started in earnest, killed without warning at the end."""
    options = {"--port": str(port), "--data-dir": str(data_dir), "--shop-id": "1", "--secret-key": "s"}
    options |= {"--notify-url": notify_url, **(more or {})}
    command = [
        sys.executable,
        "-m",
        "infrastructure.simulators.yookassa",
        *(word for pair in options.items() for word in pair),
    ]
    started = subprocess.Popen(command, cwd=ROOT)  # noqa: S603 # our own program
    control = SimulatorControl(f"http://127.0.0.1:{port}")
    try:
        control.wait_until_ready(20)
        yield Running(control.url, f"{control.url}/v3", "1", "s", control)
    finally:
        os.kill(started.pid, signal.SIGKILL)
        started.wait()
