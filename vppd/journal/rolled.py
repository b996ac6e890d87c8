"""Which segments are there as tables: known by names of files alone, without their library."""

from pathlib import Path
from typing import Final

SUFFIX: Final = ".parquet"
DAMAGED: Final = ".damaged"  # beside the tables of a segment that could not be read to its end
LAST: Final = "segments"  # table that is written last: a segment with a file in it is complete


def is_written(out: Path, segment: Path) -> bool:
    """Whether the tables of a segment are there, as far as it could be read."""
    return (out / LAST / f"{segment.stem}{SUFFIX}").exists()


def is_rolled(out: Path, segment: Path) -> bool:
    """Whether they are there, and all of the segment held when it was read."""
    return is_written(out, segment) and not damage_path(out, segment).exists()


def damage_path(out: Path, segment: Path) -> Path:
    """Where it is told that a segment is damaged."""
    return out / LAST / f"{segment.stem}{DAMAGED}"
