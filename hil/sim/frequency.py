"""The frequency at the plant's terminals in virtual time: as recorded, or as a grid makes it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from hil.plant import grid
from hil.plant.grid import Area
from hil.plant.losses import area_of, lost_mw
from hil.recording import GRID_COLUMNS, PHYSICS_STEP_S
from hil.scenario import Scenario
from hil.tso.frequency import At
from hil.tso.frequency import source as series


class Terminals(Protocol):
    """Where the frequency of a simulated plant comes from."""

    nominal_hz: float

    @property
    def freq_hz(self) -> float:
        """Frequency now."""

    def start(self, t0_s: float) -> None:
        """Begin at the start of the scored run; before that the frequency is the nominal one."""

    def step(self, now_s: float, plant_mw: float) -> None:
        """Move on to `now_s`; `plant_mw`: what the plant gave in the step that ends there."""

    def close(self) -> None:
        """End the record."""


class OpenLoop:
    """A series by time: the plant does not move it."""

    def __init__(self, at: At, nominal_hz: float) -> None:
        self.nominal_hz = self._freq_hz = nominal_hz
        self._at = at
        self._t0_s: float | None = None

    @property
    def freq_hz(self) -> float:
        """Frequency now."""
        return self._freq_hz

    def start(self, t0_s: float) -> None:
        """Begin."""
        self._t0_s = t0_s

    def step(self, now_s: float, plant_mw: float) -> None:
        """Move on."""
        del plant_mw
        if self._t0_s is not None:
            self._freq_hz = self._at(now_s - self._t0_s)

    def close(self) -> None:
        """Close nothing: the series is its own record."""


class ClosedLoop:
    """A control area in which generation is lost, and the plant's answer counts.

    Parameters
    ----------
    losses : sequence of (at_s, MW)
        Since the start of the run.
    base_mw : float
        What the area has scheduled of the plant: the sum of its basepoints.
    path : Path
        Where each step is recorded, as `GRID_COLUMNS`.
    """

    def __init__(
        self, area: Area, losses: Sequence[tuple[float, float]], base_mw: float, path: Path
    ) -> None:
        self.state = grid.start(area)
        self.nominal_hz = area.nominal_hz
        self._area = area
        self._losses = losses
        self._base_mw = base_mw
        self._t0_s: float | None = None
        self._file = path.open("w", encoding="utf-8")
        self._file.write(",".join(GRID_COLUMNS) + "\n")

    @property
    def freq_hz(self) -> float:
        """Frequency now."""
        return self.state.freq_hz

    def start(self, t0_s: float) -> None:
        """Begin: until then the area is at rest, whatever the plant does."""
        self._t0_s = t0_s

    def step(self, now_s: float, plant_mw: float) -> None:
        """Move on by one step of the physics."""
        if self._t0_s is None or now_s <= self._t0_s:
            return
        missing_mw = lost_mw(self._losses, now_s - PHYSICS_STEP_S - self._t0_s)
        injection_mw = plant_mw - self._base_mw
        self.state = grid.step(PHYSICS_STEP_S, self._area, self.state, injection_mw, missing_mw)
        self._file.write(f"{now_s:.3f},{self.state.freq_hz:.9g},{plant_mw:.9g}\n")

    def close(self) -> None:
        """End the record."""
        self._file.close()


def terminals(scenario: Scenario, base_mw: float, raw_dir: Path) -> Terminals | None:
    """Frequency of a run; None: the scenario has none. Raises SignalError."""
    source = scenario.frequency
    if source.closed_loop:
        path = raw_dir / "grid.csv"
        return ClosedLoop(area_of(source), source.grid.losses, base_mw, path)
    at = series(source, scenario.duration_s)
    return None if at is None else OpenLoop(at, source.nominal_hz)
