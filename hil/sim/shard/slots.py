"""What stands in the slots of the worker's runners, as octets: all that the daemon's loop reads."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vppd.devices.base import Reading, full_reading
from vppd.devices.runner import DeviceRunner

COUNTS = (
    "writes_accepted", "writes_refused", "writes_unknown", "reconnects", "setpoints_dropped",
    "setpoints_expired", "reads", "read_errors",
)  # fmt: skip
NUMBERS = 5  # of a reading; its flags, words and meter follow
METER = 2  # numbers of the meter
PLAIN = ("accepted_mw", "accepted_s")
FLAGS = ("write_result", "connected", "busy")
READING = 1 + NUMBERS + 3 + METER  # rows of a reading; the first says whether there was one
ROWS = READING + len(PLAIN) + len(FLAGS) + len(COUNTS)
COLUMNS = ("latest", "reason", *PLAIN, *FLAGS, *COUNTS)
UNREAD = Reading(float("nan"), float("nan"))
HEAD = struct.Struct("<II")  # units, those that follow the daemon


@dataclass(frozen=True, slots=True)
class Slots:
    """Slots of n runners at one instant."""

    following: int  # devices that obey the daemon
    columns: tuple[list[Any], ...]  # those of `COLUMNS`, each of n


def pack(runners: Sequence[DeviceRunner], following: int) -> bytes:
    """Say what stands in them now."""
    n = len(runners)
    latest = [runner.latest for runner in runners]
    columns: list[Sequence[Any]] = [[each is not None for each in latest]]
    fields = list(zip(*[each or UNREAD for each in latest], strict=True))
    *seen, words_of_reading, energy_mwh, energy_at_s = fields
    columns += [*seen, energy_mwh, energy_at_s]
    columns += [[getattr(runner, name) for runner in runners] for name in PLAIN + FLAGS + COUNTS]
    words = [*words_of_reading, *[runner.reason for runner in runners]]
    said = json.dumps({k: text for k, text in enumerate(words) if text}).encode()
    row = struct.Struct(f"{n}d").pack
    return b"".join((HEAD.pack(n, following), *[row(*column) for column in columns], said))


def unpack(data: bytes) -> Slots:
    """Read it."""
    n, following = HEAD.unpack_from(data)
    end = HEAD.size + 8 * ROWS * n
    numbers = np.frombuffer(data[HEAD.size : end], dtype=np.float64).reshape(ROWS, n)
    words = [""] * (2 * n)
    for k, text in json.loads(data[end:]).items():
        words[int(k)] = text
    seen, plain = numbers[0].tolist(), numbers[1 : 1 + NUMBERS].tolist()
    remote, quality, follows = numbers[1 + NUMBERS : READING - METER].astype(np.int64)
    meter = numbers[READING - METER : READING].tolist()
    told = (remote != 0).tolist(), quality.tolist(), (follows != 0).tolist()
    readings = zip(*plain, *told, words[:n], *meter, strict=True)
    latest = [
        full_reading(each) if known else None for each, known in zip(readings, seen, strict=True)
    ]
    accepted = numbers[READING : READING + len(PLAIN)].tolist()
    flags = numbers[READING + len(PLAIN) :].astype(np.int64)
    result, connected, busy = flags[0].tolist(), (flags[1] != 0).tolist(), (flags[2] != 0).tolist()
    counts = flags[len(FLAGS) :].tolist()
    return Slots(following, (latest, words[n:], *accepted, result, connected, busy, *counts))
