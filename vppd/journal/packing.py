"""Raw deflate streams, for what is written once a segment."""

import zlib
from typing import Final

from vppd.journal.errors import LayoutError

RAW: Final = -zlib.MAX_WBITS  # no zlib header: the frame has its own checksum
LEVEL: Final = 6


def deflate(data: bytes) -> bytes:
    """Raw deflate stream of `data`."""
    coder = zlib.compressobj(LEVEL, zlib.DEFLATED, RAW)
    return coder.compress(data) + coder.flush()


def inflate(data: bytes, size_max: int) -> bytes:
    """Undo `deflate`; never return, nor hold, more than `size_max` + 1 bytes.

    Raises
    ------
    LayoutError
        Not one whole stream, or one of more than `size_max` bytes.
    """
    coder = zlib.decompressobj(RAW)
    try:
        out = coder.decompress(data, size_max + 1)
    except zlib.error as error:
        raise LayoutError(f"payload: {error}") from error
    if len(out) > size_max or not coder.eof or coder.unused_data:
        raise LayoutError("payload is not one deflate stream of the size that is due")
    return out
