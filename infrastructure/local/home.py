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
        self._own_lock: int | None = None
        self._environment_file = self.folder / "environment.json"

    def lock(self, say: Callable[[str], None], patience_s: float = 30.0) -> int:
        """Take the folder for this process; raises RunsAlreadyError, and OSError where it cannot be written.

        Returns a descriptor to share with the keeper, so that the lock stays until the parts of a killed stack have
        ended; that is waited for. Another lock is this process's alone and tells whether it lives: its number would
        not, since numbers are given out again, and a killed process keeps its own until somebody asks after it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        shared = _open(self.folder / "lock")
        try:
            self._wait_for(shared, say, time.monotonic() + patience_s)
        except BaseException:
            os.close(shared)
            raise
        self._own_lock = _open(self.folder / "lock.owner")
        fcntl.flock(self._own_lock, fcntl.LOCK_EX)  # at once: whoever asks below holds it for no time
        os.ftruncate(self._own_lock, 0)
        os.pwrite(self._own_lock, str(os.getpid()).encode(), 0)
        self.forget()  # what a killed stack left
        return shared

    def unlock(self, shared: int) -> None:
        """Give back what `lock` took."""
        if self._own_lock is not None:
            os.close(self._own_lock)
            self._own_lock = None
        os.close(shared)

    def _wait_for(self, shared: int, say: Callable[[str], None], give_up_at: float) -> None:
        told = False
        while True:
            try:
                fcntl.flock(shared, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._is_owned() or time.monotonic() > give_up_at:
                    raise RunsAlreadyError(self._who_runs()) from None
            else:
                return
            if not told:
                say("the parts of an earlier stack are just ending; waiting for them")
                told = True
            time.sleep(0.1)

    def _who_runs(self) -> str:
        holder = (self.folder / "lock.owner").read_text().strip() or "?"
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
        if not self._is_owned():
            return {}
        with suppress(OSError, ValueError):
            kept = json.loads(self._environment_file.read_text())
            return {str(name): str(value) for name, value in kept.items()}
        return {}

    def running_stack(self) -> dict[str, Any]:
        """What stack.json tells of the stack that runs here; empty where none runs."""
        if not self._is_owned():
            return {}
        with suppress(OSError, ValueError):
            return dict(json.loads(self.stack_file.read_text()))
        return {}

    def _is_owned(self) -> bool:
        """Whether the process that took the folder lives."""
        try:
            descriptor = os.open(self.folder / "lock.owner", os.O_RDONLY)
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

    def panel_secrets(self) -> dict[str, str]:
        """`password` of the first administrator and `secret_key` of the admin panel: made once."""
        file = self.folder / "admin.json"
        try:
            kept = json.loads(file.read_text())
            return {name: str(kept[name]) for name in ("password", "secret_key")}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError):
            raise HomeError(f"{file} cannot be read; put it back, or remove it and change the password") from None
        made = {"password": secrets.token_urlsafe(12), "secret_key": secrets.token_urlsafe(48)}
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


def _open(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
