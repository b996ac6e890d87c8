"""One concrete fault: what, when, whom. `raw/faults.json` of a run has all of them."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

NOBODY = -1  # unit index of what meets no single unit
BACK = {"link_outage": "link_back", "agc_cut": "agc_back", "wire_kill": "wire_back"}


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """A fault from `at_s` to `until_s`, seconds after the start of the scored run.

    `size` is the kind's one number (see `hil.scenario.fault_kinds`) in s, pu, MB or as a factor.
    """

    at_s: float
    kind: str
    unit: int
    until_s: float
    size: float = 0.0
    how: str = ""  # cuts and outages: closed or silent
    process: int = -1  # wire_kill

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return self.until_s - self.at_s

    def after(self, t0_s: float) -> "Fault":
        """Give the same with instants of the clock on which the run begins at `t0_s`."""
        return replace(self, at_s=t0_s + self.at_s, until_s=t0_s + self.until_s)

    @property
    def back(self) -> str:
        """Kind of the event that says that it is over."""
        return BACK.get(self.kind, f"{self.kind}_back")

    @property
    def detail(self) -> str:
        """What an event says of it."""
        if self.kind == "wire_kill":
            return f"process {self.process}"
        what = self.how or (f"{self.size:g}" if self.size else "")
        return f"{what}, {self.duration_s:.1f} s" if what else f"{self.duration_s:.1f} s"


class FaultTarget(Protocol):
    """What a fault happens to."""

    def begin(self, fault: Fault, now_s: float) -> None:
        """Have the fault, from now on."""

    def end(self, fault: Fault, now_s: float) -> None:
        """Be rid of it."""


def write(faults: Iterable[Fault], path: Path) -> None:
    """Write `faults.json`."""
    path.write_text(json.dumps([asdict(fault) for fault in faults], indent=1))


def read(path: Path) -> tuple[Fault, ...]:
    """Read `faults.json`; none where there is no file."""
    return tuple(Fault(**each) for each in json.loads(path.read_text())) if path.exists() else ()
