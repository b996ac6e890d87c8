"""What stands in the slots of the worker's runners, as octets: all that the daemon's loop reads."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vppd.devices.base import Reading, full_reading
from vppd.devices.runner import DeviceRunner

COUNTS = (
    "writes_accepted", "writes_refused", "writes_unknown", "reconnects", "setpoints_dropped",
    "setpoints_expired", "reads", "read_errors",
)  # fmt: skip
NUMBERS = 5  # of a reading; its flags and words follow
PLAIN = ("accepted_mw", "accepted_s")
FLAGS = ("write_result", "connected", "busy")
ROWS = 1 + NUMBERS + 3 + len(PLAIN) + len(FLAGS) + len(COUNTS)  # 1: whether it was ever read
HEAD = struct.Struct("<II")  # units, those that follow the daemon


@dataclass(frozen=True, slots=True)
class Slots:
    """Slots of n runners at one instant; lists of n."""

    following: int  # devices that obey the daemon
    latest: list[Reading | None]
    reason: list[str]
    accepted_mw: list[float]
    accepted_s: list[float]
    write_result: list[int]
    connected: list[bool]
    busy: list[bool]
    counts: dict[str, list[int]]


def pack(runners: Sequence[DeviceRunner], following: int) -> bytes:
    """Say what stands in them now."""
    unread = Reading(float("nan"), float("nan"))
    latest = [runner.latest for runner in runners]
    columns: list[Sequence[float]] = [[each is not None for each in latest]]
    fields = list(zip(*[each or unread for each in latest], strict=True))
    columns += fields[:-1]
    columns += [[getattr(runner, name) for runner in runners] for name in PLAIN + FLAGS + COUNTS]
    words = [*fields[-1], *(runner.reason for runner in runners)]
    said = json.dumps({str(k): text for k, text in enumerate(words) if text}).encode()
    numbers = np.array(columns, dtype=np.float64)
    return HEAD.pack(len(runners), following) + numbers.tobytes() + said


def unpack(data: bytes) -> Slots:
    """Read it."""
    n, following = HEAD.unpack_from(data)
    end = HEAD.size + 8 * ROWS * n
    numbers = np.frombuffer(data[HEAD.size : end], dtype=np.float64).reshape(ROWS, n)
    said = json.loads(data[end:])
    words = [said.get(str(k), "") for k in range(2 * n)]
    seen, numbers = numbers[0].tolist(), numbers[1:]
    rows = numbers[:NUMBERS].tolist()
    remote, quality, follows = (row.astype(np.int64).tolist() for row in numbers[NUMBERS:][:3])
    readings = zip(*rows, map(bool, remote), quality, map(bool, follows), words[:n], strict=True)
    latest = [
        full_reading(each) if known else None for each, known in zip(readings, seen, strict=True)
    ]
    plain = dict(zip(PLAIN, numbers[NUMBERS + 3 :].tolist(), strict=False))
    whole = numbers[NUMBERS + 3 + len(PLAIN) :].astype(np.int64).tolist()
    result, connected, busy = whole[: len(FLAGS)]
    return Slots(
        following=following,
        latest=latest,
        reason=words[n:],
        accepted_mw=plain["accepted_mw"],
        accepted_s=plain["accepted_s"],
        write_result=result,
        connected=list(map(bool, connected)),
        busy=list(map(bool, busy)),
        counts=dict(zip(COUNTS, whole[len(FLAGS) :], strict=True)),
    )
