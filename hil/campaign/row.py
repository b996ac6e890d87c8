"""What came of one seed: its figures, and why it failed if it did."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from hil.campaign.figures import FIGURES
from hil.result import Measured
from hil.scenario import Scenario, figure, missed
from hil.tiles import counted

NO_RUN = "no run"  # it could not be made
VPPD_FAILED = "vppd failed"
DIED, TIMED_OUT = "died", "timed out"  # its process
UNEXPECTED = "unexpected error"  # of the bench
NOT_MEASURED = "not measured"
REPLAY = "replay differs"
ATTRIBUTION = "attribution does not sum up"
BROKEN = (DIED, TIMED_OUT, UNEXPECTED, VPPD_FAILED, NO_RUN, NOT_MEASURED)  # there are no figures
TEXT_LENGTH = 4000


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a seed failed. `what` is the same for all seeds that failed alike."""

    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One seed. Two runs of it are equal but for what they cost and where their files are."""

    seed: int
    reasons: tuple[Reason, ...] = ()  # none: it is good
    figures: dict[str, float | None] = field(default_factory=dict)
    checks: dict[str, int] = field(default_factory=dict)  # violations by checker
    fault_kinds: dict[str, int] = field(default_factory=dict)
    errors: int = 0  # lines of level error in the daemon's log
    digest: str = ""  # of what every device was told and did
    checked: dict[str, int] = field(default_factory=dict)  # what each had to check
    kept: str = field(default="", compare=False)  # its files, below the campaign's folder
    spent_s: float = field(default=0.0, compare=False)

    @property
    def failed(self) -> bool:
        """Whether something is wrong with it."""
        return bool(self.reasons)

    def record(self) -> dict[str, Any]:
        """As campaign.json has it."""
        told = asdict(self)
        return {"seed": told.pop("seed"), "passed": not self.failed, **told.pop("figures"), **told}


def failure(seed: int, what: str, text: str, spent_s: float = 0.0) -> Row:
    """Row of a seed that gave no figures."""
    text = text.strip()
    if len(text) > TEXT_LENGTH:
        text = f"{text[: TEXT_LENGTH // 2]}\n[…]\n{text[-TEXT_LENGTH // 2 :]}"
    return Row(seed, (Reason(what, text),), spent_s=spent_s)


def judged(
    scenario: Scenario,
    measured: Measured,
    errors: Sequence[object],
    digest: str,
    unsound: str = "",
) -> Row:
    """Row of a seed whose figures are known, held against the limits of its scenario.

    `unsound`: what is wrong with the attribution of its losses; empty: nothing.
    """
    result = measured.result
    wrong = [Reason(ATTRIBUTION, unsound)] if unsound else []
    return Row(
        seed=scenario.seed,
        reasons=(*wrong, *_reasons(scenario, result)),
        figures=_figures(measured),
        checks=_checks(result),
        checked=dict((result.get("checks") or {}).get("checked") or {}),
        fault_kinds=dict(result["faults"]["kinds"]),
        errors=len(errors),
        digest=digest,
    )


def worst_first(rows: Sequence[Row]) -> list[Row]:
    """Failed seeds before good ones, those without a figure before all, then by what is worst."""
    return sorted(rows, key=_badness)


def _badness(row: Row) -> tuple[float, ...]:
    broken = any(reason.what in BROKEN for reason in row.reasons)
    accuracy = row.figures.get("accuracy_pct")
    return (
        not row.failed,
        not broken,
        -sum(row.checks.values()),
        -(row.figures.get("limit_violations") or 0),
        -len(row.reasons),
        np.inf if accuracy is None else accuracy,
        row.seed,
    )


def _reasons(scenario: Scenario, result: dict[str, Any]) -> list[Reason]:
    found = [
        Reason(f"check {check}", _told(result, check, count))
        for check, count in _checks(result).items()
    ]
    told = {"checks.violations"} if found else set()  # what the scenario's limits would repeat
    if "limits" in _checks(result):
        told.add("limits.violations")
    if not result["journal"]["replay_bit_exact"]:
        why = result["notes"].get("journal.replay_bit_exact", "ticks give other bits")
        found.append(Reason(REPLAY, f"the replay is not bit-exact: {why}"))
        told.add("journal.replay_bit_exact")
    limits = [Reason(text.partition(":")[0], text) for text in missed(scenario, result)]
    return [*found, *(reason for reason in limits if reason.what not in told)]


def _checks(result: dict[str, Any]) -> dict[str, int]:
    """Violations by the checker that found them."""
    by_check = (result.get("checks") or {}).get("by_check") or {}
    return {check: int(count) for check, count in sorted(by_check.items()) if count}


def _told(result: dict[str, Any], check: str, count: int) -> str:
    """How often a checker found something, and the first that it found."""
    times = f"check {check}: {counted(count, 'violation')}"
    first = next((v for v in result["checks"].get("first", ()) if v["check"] == check), None)
    if first is None:
        return times
    unit = f" {first['unit']}" if first["unit"] else ""
    value, limit = (
        f"{v:g}" if isinstance(v, float) else v for v in (first["value"], first["limit"])
    )
    return f"{times}, first at {first['t_s']:.1f} s:{unit} {first['what']}: {value}, limit {limit}"


def _figures(measured: Measured) -> dict[str, float | None]:
    found = {each.name: figure(measured.result, each.key) for each in FIGURES if each.key}
    found["unserved_mwh"] = _unserved_mwh(measured)
    return found


def _unserved_mwh(measured: Measured) -> float | None:
    """Energy that the daemon said it could not serve, either way; seconds that it told only."""
    unserved_mw = measured.rows.unserved_mw
    known = np.isfinite(unserved_mw)
    return round(float(np.abs(unserved_mw[known]).sum()) / 3600.0, 6) if known.any() else None
