"""Processes that end with the one that started them, whatever ends it.

Three things hold a process: `Leash.close` in an orderly end; on Linux the kernel, which signals it when the thread
that started it ends; and the keeper (keeper.py), which also reaches what those processes started themselves.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from infrastructure.local import keeper
from infrastructure.local.account import Account

_PR_SET_PDEATHSIG = 1
_LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True) if _LINUX else None


def end_with_parent(number: int) -> None:
    """Let the kernel send this process a signal when the thread that started it ends (Linux; nothing elsewhere)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def _in_child(end_signal: int, starter: int) -> Callable[[], None]:
    def prepare() -> None:
        end_with_parent(end_signal)
        if _LINUX and os.getppid() != starter:  # it ended before the kernel knew that we want to be told
            os._exit(1)

    return prepare


class Leash:
    """Starts processes, each in a session of its own, and ends them with all they started."""

    def __init__(self, keep_open: Sequence[int] = ()) -> None:
        """`keep_open`: descriptors that stay open until the last process has ended too, as a lock should."""
        self._watched: dict[subprocess.Popen[bytes], int] = {}
        self._keeper = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", keeper.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=keep_open,
            cwd="/",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        account: Account | None = None,
        end_signal: signal.Signals = signal.SIGTERM,
        own_folder: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process whose output goes to the end of `log`; `own_folder` is a working folder nobody else has.

        Only from the main thread: the kernel ends the process with the thread that started it.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "start processes from the main thread: Linux ends them with the thread that started them"
            )
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = _popen(command, output, output, env, cwd, account, end_signal)
        self._watched[process] = end_signal
        self._tell(watch=process.pid, signal=int(end_signal), folder=str(own_folder) if own_folder else None)
        return process

    @property
    def keeper_alive(self) -> bool:
        """Whether the keeper still stands by; without it a kill -9 could leave something behind."""
        return self._keeper.poll() is None

    def remove_at_end(self, path: Path) -> None:
        """Remove that file or folder when everything has ended."""
        self._tell(remove=str(path))

    def ask_to_end(self, process: subprocess.Popen[bytes]) -> None:
        """Send the process its signal, without waiting."""
        if process.poll() is None:
            with suppress(ProcessLookupError):
                process.send_signal(self._watched.get(process, signal.SIGTERM))
                process.send_signal(signal.SIGCONT)  # one that was stopped, to try a hanging neighbour, hears it too

    def end(self, process: subprocess.Popen[bytes], grace_s: float = 10.0) -> None:
        """Ask the process to end, kill it after `grace_s`, and then whatever it left behind."""
        self.ask_to_end(process)
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        self._watched.pop(process, None)
        self._tell(forget=process.pid)

    def close(self, grace_s: float = 10.0) -> None:
        """End every process that still runs, then the keeper."""
        for process in tuple(self._watched):
            self.ask_to_end(process)
        for process in tuple(self._watched):
            self.end(process, grace_s)
        stdin = self._keeper.stdin
        if stdin is not None:
            with suppress(OSError):
                stdin.close()
        self._keeper.wait()

    def _tell(self, **message: Any) -> None:
        stdin = self._keeper.stdin
        if stdin is None or stdin.closed:
            return
        with suppress(OSError):  # a keeper that was killed; `keeper_alive` tells
            stdin.write(json.dumps(message).encode() + b"\n")
            stdin.flush()


class ProgramFailedError(Exception):
    """A short-lived program failed or lasted too long; the message names it and carries what it printed."""


_short_lived: set[subprocess.Popen[bytes]] = set()
_ending = threading.Event()


def allow_short_lived() -> None:
    """Undo `end_short_lived`."""
    _ending.clear()


def end_short_lived() -> None:
    """Kill what `run_to_end` waits for in other threads and let it start nothing more, so that they come back."""
    _ending.set()
    for process in tuple(_short_lived):
        _kill_group(process)


def run_to_end(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: Account | None = None,
    timeout_s: float = 60.0,
    each_line: Callable[[str], None] | None = None,
) -> str:
    """Run a short-lived program from any thread and return what it printed; raises ProgramFailedError.

    `each_line` is told every line as it comes. The program ends with the thread that waits here for it.
    """
    name = Path(command[0]).name
    if _ending.is_set():
        raise ProgramFailedError(f"{name} was not started: everything is ending")
    lines: list[str] = []
    with _popen(command, subprocess.PIPE, subprocess.STDOUT, env, cwd, account, signal.SIGKILL) as process:
        _short_lived.add(process)
        late = threading.Timer(timeout_s, _kill_group, [process])
        late.daemon = True
        late.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.decode(errors="replace"))
                if each_line is not None:
                    each_line(lines[-1])
            process.wait()
        except BaseException:
            _kill_group(process)
            raise
        finally:
            timed_out = not late.is_alive()
            late.cancel()
            _short_lived.discard(process)
    text = "".join(lines)
    if process.returncode != 0:
        how = f"did not end within {timeout_s:.0f} s" if timed_out else f"ended with {process.returncode}"
        raise ProgramFailedError(f"{name} {how}: {text.strip()[-4000:]}")
    return text


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def _popen(
    command: Sequence[str | Path],
    stdout: IO[bytes] | int,
    stderr: IO[bytes] | int,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    account: Account | None,
    end_signal: int,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - programs that our own parts name
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=dict(env) if env is not None else None,
        cwd=cwd,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        preexec_fn=_in_child(end_signal, os.getpid()),  # noqa: PLW1509 - one prctl, prepared before the fork
    )
