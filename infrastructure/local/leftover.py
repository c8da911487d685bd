"""Servers that a killed start left behind on a data folder."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from infrastructure.local.keeper import processes_in
from infrastructure.local.server import DidNotStartError


def end_leftover(data_dir: Path, *gentle: signal.Signals, patience_s: float = 20.0) -> None:
    """End whoever still works in that folder: with the gentle signals in turn, then with SIGKILL.

    The caller holds the lock of the home folder, so whoever runs there was left behind. Where processes cannot be
    looked at (no /proc) it finds none, and the server's own lock has the last word. Raises DidNotStartError.
    """
    steps = (*gentle, signal.SIGKILL)
    for number in steps:
        left = processes_in(str(data_dir))
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        next_step_at = time.monotonic() + patience_s / len(steps)
        while left and time.monotonic() < next_step_at:
            time.sleep(0.05)
            left = processes_in(str(data_dir))
        if not left:
            return
    left = processes_in(str(data_dir))
    raise DidNotStartError(f"processes {sorted(left)} still use {data_dir} and could not be ended")
