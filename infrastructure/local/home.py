"""The home folder of a local stack: its lock, its secrets, and what it tells about itself while it runs."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


class RunsAlreadyError(Exception):
    """A stack runs already on this home folder; the message says which and where."""


class HomeError(Exception):
    """A file of the home folder cannot be used; the message names it and says what to do."""


class Home:
    """One home folder; `lock` before anything else in it is touched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.stack_file = self.folder / "stack.json"
        self._environment_file = self.folder / "environment.json"

    def lock(self, say: Callable[[str], None], patience_s: float = 30.0) -> int:
        """Take the folder for this process and return the lock's descriptor; raises RunsAlreadyError.

        The keeper shares the descriptor, so that the lock stays until the parts of a killed stack have ended;
        that is waited for.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        give_up_at = time.monotonic() + patience_s
        told = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = _number(os.pread(descriptor, 32, 0))
                if (holder is not None and _alive(holder)) or time.monotonic() > give_up_at:
                    os.close(descriptor)
                    raise RunsAlreadyError(self._who_runs(holder)) from None
                if not told:
                    say("the parts of an earlier stack are just ending; waiting for them")
                    told = True
                time.sleep(0.1)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self.forget()  # what a killed stack left
        return descriptor

    def _who_runs(self, holder: int | None) -> str:
        where = f"process {holder}, home {self.folder}"
        try:
            stack = json.loads(self.stack_file.read_text())
        except (OSError, ValueError):
            return f"a stack is already starting or ending here ({where})"
        return f"the stack runs already at {stack.get('api')} ({where}); end it there with Ctrl-C or `kill {holder}`"

    def announce(self, stack: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        """Write stack.json and, for its owner alone, the settings of every part; each whole or not at all."""
        _write(self._environment_file, json.dumps(dict(environment), indent=1), 0o600)
        _write(self.stack_file, json.dumps(dict(stack), indent=1) + "\n", 0o644)

    def forget(self) -> None:
        """Remove what was announced."""
        for file in self.announced:
            file.unlink(missing_ok=True)

    @property
    def announced(self) -> tuple[Path, Path]:
        """The files that are there only while a stack runs."""
        return self.stack_file, self._environment_file

    def running_environment(self) -> dict[str, str]:
        """The settings (BILLING_…) of the stack that runs here, secrets included; empty where none runs."""
        if not self._is_locked():
            return {}
        with suppress(OSError, ValueError):
            kept = json.loads(self._environment_file.read_text())
            return {str(name): str(value) for name, value in kept.items()}
        return {}

    def running_stack(self) -> dict[str, Any]:
        """What stack.json tells of the stack that runs here; empty where none runs."""
        if not self._is_locked():
            return {}
        with suppress(OSError, ValueError):
            return dict(json.loads(self.stack_file.read_text()))
        return {}

    def _is_locked(self) -> bool:
        try:
            descriptor = os.open(self.folder / "lock", os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def secrets(self) -> dict[str, str]:
        """`yookassa_shop_id`, `yookassa_secret_key`, `card_keys`: made at the first start, the same ever after.

        Raises HomeError where the file cannot be read: new keys could not read the cards stored under the old.
        """
        file = self.folder / "secrets.json"
        try:
            kept = json.loads(file.read_text())
            return {name: str(kept[name]) for name in ("yookassa_shop_id", "yookassa_secret_key", "card_keys")}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError):
            raise HomeError(f"{file} cannot be read; put it back, or start with an empty home folder") from None
        made = {
            "yookassa_shop_id": str(100_000 + secrets.randbelow(900_000)),
            "yookassa_secret_key": f"test_{secrets.token_urlsafe(32)}",
            "card_keys": f"local-1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        }
        _write(file, json.dumps(made, indent=1), 0o600)
        return made


def _write(file: Path, text: str, mode: int) -> None:
    half_done = file.with_name(f".{file.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        half_done.unlink()
    with os.fdopen(os.open(half_done, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    half_done.replace(file)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _number(text: bytes) -> int | None:
    return int(text) if text.strip().isdigit() else None
