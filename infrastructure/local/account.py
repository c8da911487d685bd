"""The account that servers run under where we are root: PostgreSQL and Elasticsearch refuse root."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    """An unprivileged user and group of the operating system."""

    uid: int
    gid: int

    def may_reach(self, path: Path) -> bool:
        """Whether this account can walk down to the folder; only root asks, about folders of root."""
        return all(self._may_enter(folder) for folder in (path, *path.parents) if folder.exists())

    def _may_enter(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & 0o100)
        return bool(status.st_mode & (0o010 if status.st_gid == self.gid else 0o001))

    def own(self, folder: Path) -> None:
        """Make the folder, and give it with all that is in it to this account alone."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        os.chown(folder, self.uid, self.gid)
        for root, folders, files in os.walk(folder):
            for name in (*folders, *files):
                os.chown(Path(root) / name, self.uid, self.gid, follow_symlinks=False)


def server_account() -> Account | None:
    """`nobody` where we are root, else None: the servers then run as whoever started us."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def make_private(folder: Path, account: Account | None) -> None:
    """Make a folder that only the server's account may read."""
    if account is None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    else:
        account.own(folder)


def reachable_folder(wanted: Path, account: Account | None) -> Path:
    """The folder asked for, or where the account cannot get there one under /var/tmp, always the same one for it."""
    wanted.mkdir(parents=True, exist_ok=True)
    wanted = wanted.resolve()
    if account is None or account.may_reach(wanted):
        return wanted
    stand_in = stand_in_for(wanted)
    with suppress(FileExistsError):
        stand_in.mkdir(mode=0o755)
    status = stand_in.lstat()
    if stand_in.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(f"{stand_in} is there but not ours alone: somebody else made it; remove it")
    stand_in.chmod(0o755)
    pointer = wanted / "data-elsewhere.txt"
    if not pointer.exists():
        pointer.write_text(f"Servers that must not run as root cannot enter this folder; their data: {stand_in}\n")
    return stand_in


def stand_in_for(folder: Path) -> Path:
    """Where the servers' data lie that cannot lie in this folder, if it comes to that."""
    mark = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return Path("/var/tmp") / f"cinema-billing-{mark}"  # noqa: S108 - who uses it checks that it is ours


def reachable_copy(folders: list[Path], account: Account | None, cache: Path, version: str) -> list[Path]:
    """The folders as they stand, or, where the account cannot read them, copies side by side that it can.

    The copy is made once in the cache for each version; two processes that make it at once do not disturb each other.
    """
    if account is None or all(account.may_reach(folder) for folder in folders):
        return folders
    cache = reachable_folder(cache, account)
    copy = cache / f"{folders[0].name}-{version}"
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=cache, prefix=f"{copy.name}-") as half_done:
            for folder in folders:
                shutil.copytree(folder, Path(half_done) / "copy" / folder.name, symlinks=True)
            (Path(half_done) / "copy").chmod(0o755)
            with suppress(OSError):  # somebody else was first: theirs is as good
                (Path(half_done) / "copy").rename(copy)
    return [copy / folder.name for folder in folders]
