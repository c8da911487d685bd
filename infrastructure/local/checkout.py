"""Where this checkout lies, and where it keeps what is built or copied once: programs of the embedded servers."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".local" / "cache"
