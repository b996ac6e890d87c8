"""Point tables that many units share: a fleet of hundreds has a handful."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

TABLES_MAX = 64

T = TypeVar("T")


def loaded_once(load: Callable[[Path], T]) -> Callable[[Path], T]:
    """Load a table once for all units that share it, and anew when its file has changed.

    What `load` raises goes through, each time.
    """

    @lru_cache(maxsize=TABLES_MAX)
    def as_of(path: Path, changed_ns: int) -> T:  # noqa: ARG001 - part of the cache's key
        return load(path)

    def table(path: Path) -> T:
        try:
            changed_ns = path.stat().st_mtime_ns
        except OSError:
            changed_ns = 0  # `load` says what is wrong
        return as_of(path, changed_ns)

    return table
