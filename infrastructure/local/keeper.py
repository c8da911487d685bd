"""A small process that outlives the one it serves by a few seconds, to end what that one started.

Run by path, without site-packages, so it starts in some ten milliseconds and takes little memory. It reads one
JSON object a line from its standard input: `{"watch": pid, "signal": n, "folder": path or null}` for a process
group, `{"forget": pid}` when that has ended, `{"remove": path}` for a file or folder that is to go as well. The end of
the input means that the other side has ended, however that came about (a `kill -9` closes a pipe too): every
group is asked with its signal to end, and killed where it has not after `GRACE_S`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

GRACE_S = 5.0


def processes_in(folder: str) -> set[int]:
    """The processes whose working folder is this one: Postgres' own children leave its process group."""
    found: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str((entry / "cwd").readlink()) == folder:
                found.add(int(entry.name))
    return found - {os.getpid()}


def group_alive(leader: int) -> bool:
    """Whether a process of this group still runs."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end(watched: dict[int, dict[str, Any]]) -> None:
    """Ask each group to end, wait, and kill what is left of it."""
    for leader, told in watched.items():
        with suppress(OSError):
            os.killpg(leader, told["signal"])
            os.killpg(leader, signal.SIGCONT)
    give_up_at = time.monotonic() + GRACE_S
    while time.monotonic() < give_up_at and any(_remains(leader, told) for leader, told in watched.items()):
        time.sleep(0.05)
    for leader, told in watched.items():
        with suppress(OSError):
            os.killpg(leader, signal.SIGKILL)
        for pid in processes_in(told["folder"]) if told["folder"] else ():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def _remains(leader: int, told: dict[str, Any]) -> bool:
    return group_alive(leader) or bool(told["folder"] and processes_in(told["folder"]))


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: dict[int, dict[str, Any]] = {}
    paths: list[str] = []
    for line in sys.stdin:
        try:
            told = json.loads(line)
        except ValueError:  # the other side was killed in the middle of a line
            continue
        if "watch" in told:
            watched[told["watch"]] = told
        elif "forget" in told:
            watched.pop(told["forget"], None)
        elif "remove" in told:
            paths.append(told["remove"])
    end(watched)
    for path in paths:
        with suppress(OSError):
            Path(path).unlink() if Path(path).is_file() else shutil.rmtree(path)


if __name__ == "__main__":
    main()
