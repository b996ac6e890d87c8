"""Going on where a killed daemon was: its state, and the slots its last image was copied from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vppd.core.carry import carry_state, places
from vppd.core.types import I8, Image, Params, Reason, State, WriteResult
from vppd.devices.base import Reading
from vppd.runtime.keepsake import Kept
from vppd.signals.base import AgcValue, FrequencyValue

RESUME_WAIT_S = 0.4  # so long the first tick waits for units that took part in the last one
# Those that come later, after more round trips, get a tick of their own: the next one of the grid
# may be a second away. So often it is looked for them, and so many times.
RESUME_STEP_S = 0.2
RESUME_STEPS = 5


class Slots(Protocol):
    """The slots of one device that are filled."""

    def recall(
        self, latest: Reading | None, accepted_mw: float, accepted_s: float, result: WriteResult
    ) -> None:
        """Take up what a runner before this one knew."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was heard of the TSO last."""

    agc: AgcValue | None
    frequency: FrequencyValue | None


@dataclass(frozen=True, slots=True)
class Resumed:
    """What a daemon goes on from. Arrays are of its own units."""

    state: State
    heard: Remembered
    tick: int  # number of the last tick
    at_s: float  # when that began, monotonic s
    image: Image  # of that tick, of the units of then
    where: I8  # shape (n,): place of each unit in that; -1: it is new

    @property
    def took_part(self) -> list[int]:
        """Units that took part in the last tick."""
        out: list[int] = np.flatnonzero(self.state.out_reason == Reason.NONE).tolist()
        return out


def resumed(kept: Kept, params: Params) -> Resumed:
    """Fit what was kept to the units of this daemon."""
    image = kept.image
    return Resumed(
        state=carry_state(kept.state, kept.params, params),
        heard=remembered(image),
        tick=image.tick,
        at_s=image.now_s,
        image=image,
        where=places(kept.params, params),
    )


def remembered(image: Image) -> Remembered:
    """Give the values of the TSO that an image was made of."""
    agc = frequency = None
    if not math.isnan(image.agc_received_s):
        agc = AgcValue(
            image.agc_pu, image.agc_received_s, image.agc_sequence, image.agc_transit_s,
            image.agc_quality,
        )  # fmt: skip
    if not math.isnan(image.freq_received_s):
        frequency = FrequencyValue(image.freq_hz, image.freq_received_s, image.freq_quality)
    return Remembered(agc, frequency)


def recall_slots(devices: Sequence[Slots], found: Resumed) -> None:
    """Fill the slots of each device that stays as they were."""
    for device, i in zip(devices, found.where.tolist(), strict=True):
        if i >= 0:
            device.recall(*_slots(found.image, i))


def _slots(image: Image, i: int) -> tuple[Reading | None, float, float, WriteResult]:
    latest = None
    if not math.isnan(image.measured_at_s[i]):
        latest = Reading(
            p_meas_mw=float(image.p_meas_mw[i]),
            measured_at_s=float(image.measured_at_s[i]),
            soc_pu=float(image.soc_pu[i]),
            p_avail_min_mw=float(image.p_avail_min_mw[i]),
            p_avail_max_mw=float(image.p_avail_max_mw[i]),
            remote=bool(image.remote[i]),
            quality=int(image.quality[i]),
        )
    accepted_mw, accepted_s = float(image.accepted_mw[i]), float(image.accepted_at_s[i])
    return latest, accepted_mw, accepted_s, WriteResult(int(image.write_result[i]))
