"""The records of a settlement: what a journal gives, what prices give, and a row of the result."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vppd.market.record import F8, Form
from vppd.market.settlement.energy import UnitSeries


class SettlementError(ValueError):
    """What cannot be settled, and why."""


@dataclass(frozen=True, slots=True)
class Steps:
    """A value that holds from each instant until the next. Shapes (k,); instants rise."""

    t_s: F8
    value: F8


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit: its readings, its plan, and how much of the plant's range it has."""

    id: str
    readings: UnitSeries
    basepoint_mw: Steps
    range_mw: float


@dataclass(frozen=True, slots=True)
class Plant:
    """What a journal tells, beside the series that is scored. Instants are UTC, s since 1970."""

    units: tuple[Unit, ...]
    regulation_mw: Steps  # decided
    droop_mw: Steps  # decided
    signal_mw: Steps  # AGC x capacity sold, from when it was received
    capacity_up_mw: Steps
    capacity_down_mw: Steps


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by instant: each row holds until the next. Empty: nothing is paid."""

    t_s: F8 = field(default_factory=lambda: np.zeros(0))
    rows: tuple[Mapping[str, float], ...] = ()  # parameters of the market
    energy: tuple[float, ...] = ()  # of energy, per MWh; NaN: none
    energy_currency: str = ""


@dataclass(frozen=True, slots=True)
class Energies:
    """Energies of units by interval, shape (units, intervals), MWh and s."""

    edges_s: F8
    metered_mwh: F8
    baseline_mwh: F8
    regulation_mwh: F8
    droop_mwh: F8
    counted_s: F8
    estimated_s: F8
    readings_mwh: F8  # metered by the readings alone
    form: Form

    def columns(self, which: slice | NDArray[np.int64] | int) -> dict[str, F8]:
        """The columns of the units that are asked for."""
        named = {
            "metered_mwh": self.metered_mwh,
            "baseline_mwh": self.baseline_mwh,
            "regulation_mwh": self.regulation_mwh,
            "droop_mwh": self.droop_mwh,
            "counted_unit_s": self.counted_s,
            "estimated_unit_s": self.estimated_s,
        }
        return {name: column[which] for name, column in named.items()}


Value = float | str | None
Row = dict[str, Value]  # by the names of `schema.COLUMNS`


def known(value: float) -> float | None:
    """A number of a row: what is not finite is not known."""
    return value if math.isfinite(value) else None
