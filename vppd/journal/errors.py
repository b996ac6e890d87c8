"""What can be wrong with a journal."""

from pathlib import Path


class JournalError(Exception):
    """A journal that cannot be read or written as asked."""


class NoTickError(JournalError):
    """A journal without any whole tick."""


class LayoutError(JournalError):
    """A record that does not fit the layout, or a file written with another layout."""


class DamageError(JournalError):
    """A segment that is damaged before its end: valid records follow the bad place.

    The journal was read and does not hold, where other errors mean that it could not be read.
    """

    def __init__(self, segment: Path, seq: int, offset: int, what: str) -> None:
        super().__init__(f"{segment.name}: record {seq} at byte {offset}: {what}")
        self.segment = segment
        self.seq = seq
        self.offset = offset
        self.what = what


class DamagedHeaderError(DamageError, LayoutError):
    """A segment whose header does not hold, with records behind it."""
