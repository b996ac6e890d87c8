"""An attribution, for people: a table by cause, and one by unit."""

import math
from collections.abc import Iterable
from typing import Final

import numpy as np

from vppd.journal.instant import utc_text
from vppd.market.attribution import PLANT
from vppd.market.blame import Blame
from vppd.market.causes import WORDS, Cause
from vppd.runtime.attribute import Attribution

UNITS_MAX: Final = 12
SHOWN_MWS: Final = 5e-4  # less is printed as 0
SHOWN_PU: Final = 5e-4  # of the loss: less is left out of the table by cause


def render(found: Attribution) -> str:
    """Give the loss, then its causes, then the units it goes to, those with most first."""
    blame = found.blame
    return "\n".join((*_head(found), "", *_causes(blame), "", *_units(blame)))


def _head(found: Attribution) -> Iterable[str]:
    blame = found.blame
    yield f"{utc_text(found.since_s)} to {utc_text(found.until_s)}, {blame.known_s:.1f} s known"
    if blame.unknown_s:
        yield f"not counted: {blame.unknown_s:.1f} s without a tick, a signal, or a unit's reading"
    yield (
        f"lost {blame.loss_mws:.3f} MW.s: {blame.short_mws:.3f} too little,"
        f" {blame.loss_mws - blame.short_mws:.3f} too much"
    )
    if math.isfinite(blame.accuracy_pct):
        yield f"accuracy {blame.accuracy_pct:.3f} % of {blame.capacity_mw:g} MW sold"


def _causes(blame: Blame) -> Iterable[str]:
    yield f"{'cause':12} {'MW.s':>12} {'of it, %':>9} {'points':>8}  what"
    causes = sorted(blame.by_cause().items(), key=lambda item: -abs(item[1]))
    for cause, mws in causes:
        if abs(mws) > SHOWN_PU * blame.loss_mws:
            yield f"{cause.name.lower():12} {_figures(blame, mws)}  {WORDS[cause]}"
    yield f"{'sum':12} {_figures(blame, math.fsum(mws for _, mws in causes))}"


def _units(blame: Blame) -> Iterable[str]:
    yield f"{'unit':20} {'MW.s':>12} {'of it, %':>9} {'points':>8}  most of it"
    rows = [*enumerate(blame.by_unit().items())]
    rows.sort(key=lambda row: -abs(row[1][1]))
    for at, (unit, mws) in rows[:UNITS_MAX]:
        yield f"{unit:20} {_figures(blame, mws)}  {_most(blame, at)}"
    rest = rows[UNITS_MAX:]
    if rest:
        rest_mws = math.fsum(mws for _, (_, mws) in rest)
        yield f"{f'{len(rest)} others':20} {_figures(blame, rest_mws)}"
    plant_mws = math.fsum(blame.part_mws[PLANT].tolist())
    yield f"{'(no unit)':20} {_figures(blame, plant_mws)}  {_most(blame, PLANT)}"


def _figures(blame: Blame, mws: float) -> str:
    share = f"{100.0 * mws / blame.loss_mws:9.2f}" if blame.loss_mws > 0.0 else f"{'–':>9}"
    points = blame.points(mws)
    return f"{mws:12.3f} {share} {'–' if math.isnan(points) else f'{points:.3f}':>8}"


def _most(blame: Blame, at: int) -> str:
    """The cause that has most of a row; nothing where the row is empty but for rounding."""
    row = blame.part_mws[at]
    if np.abs(row).max() < SHOWN_MWS:
        return ""
    most = Cause(int(np.abs(row).argmax()))
    return f"{most.name.lower()} {row[most]:.3f}"
