"""`python -m infrastructure.local.clean HOME`: remove a home folder with what lies elsewhere for it.

Needs the standard library only, so that it also works where set-up has failed.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from infrastructure.local.account import stand_in_for
from infrastructure.local.home import Home, RunsAlreadyError


def clean(folder: Path) -> None:
    """Remove the folder, a cache in it included; raises RunsAlreadyError where a stack runs on it."""
    if not folder.exists():
        return
    folder = folder.resolve()
    Home(folder).lock(print)  # held until this process ends
    for place in (folder, folder / "cache"):
        elsewhere = stand_in_for(place)
        if elsewhere.exists() and not elsewhere.is_symlink():
            shutil.rmtree(elsewhere)
    shutil.rmtree(folder)


if __name__ == "__main__":
    try:
        clean(Path(sys.argv[1]))
    except RunsAlreadyError as error:
        sys.exit(str(error))
