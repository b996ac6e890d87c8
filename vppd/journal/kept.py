"""What a journal keeps of a decision. The rest is computed again from state and image."""

import hashlib
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vppd.core.types import F8, U1, Decision
from vppd.journal.layout import Block

DIGEST_SIZE: Final = 8


@dataclass(frozen=True, slots=True)
class Kept:
    """Columns of a `Decision` that stand in the file, under their names there; and a digest."""

    tick: int
    mode: int
    verdict: int
    regulation_pu: float
    regulation_mw: float
    droop_mw: float
    basepoint_sum_mw: float
    request_mw: float
    served_mw: float
    unserved_mw: float
    status: int
    digest: int  # of all columns, see `digest_of`
    p_setpoint_mw: F8
    send: U1
    lower_reason: U1
    upper_reason: U1
    held_by: U1
    event_code: U1
    event_index: NDArray[np.int64]
    event_value: F8


COLUMNS: Final = tuple(f.name for f in fields(Kept) if f.name != "digest")


def digest_of(block: Block, decision: Decision) -> int:
    """First 8 bytes of the SHA-256 of a packed decision, as a signed number.

    Raises
    ------
    LayoutError
        A value of a wrong type or length.
    """
    digest = hashlib.sha256(block.pack(decision)).digest()
    return int.from_bytes(digest[:DIGEST_SIZE], "little", signed=True)


def keep(block: Block, decision: Decision) -> Kept:
    """What stays of a decision. Errors as `digest_of`."""
    values = {name: getattr(decision, name) for name in COLUMNS}
    return Kept(digest=digest_of(block, decision), **values)
