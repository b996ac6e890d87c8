"""What a campaign runs: one scenario with its overrides, over seeds."""

import re
from dataclasses import dataclass, replace

import click

from hil import options
from hil.options import Overrides
from hil.scenario import Scenario

ALL, FAILED, NONE = "all", "failed", "none"
KEEP = (FAILED, ALL, NONE)
SEEDS = re.compile(r"(\d+)\.\.(\d+)")
LAST_SEED = 2**32


@dataclass(frozen=True, slots=True)
class Plan:
    """A scenario, and how it was asked for."""

    name: str  # as it was typed: a name, or a file
    settings: tuple[str, ...]  # KEY=VALUE, as typed with --set
    duration_s: float | None  # as typed with --duration
    scenario: Scenario  # with all of them; its seed does not count

    def of(self, seed: int) -> Scenario:
        """Scenario of one seed."""
        return replace(self.scenario, seed=seed)

    def overrides(self, seed: int) -> Overrides:
        """Everything that was put over the scenario's file, in the order in which it counts."""
        return [*options.overrides(self.settings), *options.typed(seed, self.duration_s)]

    def command(self, seed: int) -> str:
        """Command that runs one seed by itself, and writes its report."""
        words: list[object] = ["run", self.name, "--clock", "virtual"]
        if self.duration_s is not None:
            words += ["--duration", f"{self.duration_s:g}"]
        words += ["--seed", seed]
        for setting in self.settings:
            words += ["--set", setting]
        return options.command(*words, "--out", f"build/{self.scenario.name}-{seed}")


@dataclass(frozen=True, slots=True)
class Job:
    """A seed to be run. `keep`: whose files are kept, of KEEP."""

    seed: int
    keep: str


def load(name: str, settings: tuple[str, ...] = (), duration_s: float | None = None) -> Plan:
    """Read the scenario. Raises OSError, RecordError, BadParameter."""
    typed = options.typed(None, duration_s)
    scenario = options.load(name, options.overrides(settings), typed, "virtual")
    return Plan(name, settings, duration_s, scenario)


def seeds(text: str) -> range:
    """Seeds of `A..B`, both ends counted. Raises BadParameter."""
    found = SEEDS.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(
            f"{text!r}: must be A..B, for example 1..1000", param_hint="--seeds"
        )
    first, last = int(found[1]), int(found[2])
    if not first <= last <= LAST_SEED:
        message = f"{text}: must rise, and stay within 0 to {LAST_SEED}"
        raise click.BadParameter(message, param_hint="--seeds")
    return range(first, last + 1)
