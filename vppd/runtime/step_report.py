"""What a step test has found: in words, as a plot of characters, and as the file that is read."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from vppd.runtime.commission import Found, Plan
from vppd.runtime.step_fit import Estimate

WIDTH, HEIGHT = 96, 18
FILE = """\
# Response of {id}, from a step test of {when}: {words}.
# Read with the configuration (site.commissioning_dir); these keys win over those of the unit.
dead_time_s: {dead:.3f}  # ± {dead_bound:.3f} (95 %); the way there included
lag_s: {lag:.3f}  # ± {lag_bound:.3f}
{more}# gain {gain}; noise of the readings {noise:.3g} kW; resolution no coarser than {grid:.3g} kW
"""


def plan_words(plan: Plan) -> str:
    """Say what a test will do, for who must agree."""
    unit = plan.unit
    steps = [f"{mw:g} MW" for mw in (plan.up_mw, plan.down_mw) if mw != unit.basepoint_mw]
    small = ", then small steps that look for its dead band" if plan.small_mw else ""
    times = f", {plan.cycles} times" if plan.cycles > 1 else ""
    return (
        f"{unit.id} ({unit.kind}) goes to its basepoint, {unit.basepoint_mw:g} MW, and from there"
        f" to {' and '.join(steps)} and back{times}{small}.\n"
        f"It stays within its rating, ramp and what it says it can do. That takes about"
        f" {plan.least_s:.0f} s; Ctrl-C ends it, and brings the unit back."
    )


def words(found: Found) -> str:
    """Say what was found."""
    result, unit = found.fit, found.plan.unit
    lines = [
        f"dead time   {result.dead_time_s.words('s')}   (configured {unit.dead_time_s:g} s)",
        f"lag         {result.lag_s.words('s')}   (configured {unit.lag_s:g} s)",
        f"gain        {result.gain.words(digits=3)}",
        f"dead band   {_dead_band(found)}",
        f"resolution  no coarser than {1e3 * found.resolution_mw:.3g} kW",
        f"readings    {found.record.seen_s.size}, noise {1e3 * result.noise_mw:.3g} kW (1 sigma)",
    ]
    if abs(result.gain.value - 1.0) > 0.05 + result.gain.bound:
        lines.append(
            "The unit delivers less or more than it is told: look at its scale and limits."
        )
    return "\n".join(lines)


def _dead_band(found: Found) -> str:
    """Dead band in words."""
    if not found.plan.small_mw:
        return "not looked for"
    band = found.dead_band_mw
    seen = f"at least {1e3 * band.value:.3g} kW" if band.value > 0.0 else "none found"
    return seen + (f"; below {1e3 * band.bound:.3g} kW noise hides it" if band.bound > 0.0 else "")


def plot(found: Found) -> str:
    """Told (-), measured (.) and fitted (*) power over time."""
    record, fitted_mw = found.record, found.fit.fitted_mw
    t_s = record.seen_s - record.seen_s[0]
    told = np.maximum(np.searchsorted(record.told_s, record.seen_s, side="right") - 1, 0)
    told_mw = record.told_mw[told]
    low_mw = float(min(told_mw.min(), record.seen_mw.min()))
    span_mw = float(max(told_mw.max(), record.seen_mw.max())) - low_mw or 1.0
    column = np.minimum((t_s / max(float(t_s[-1]), 1e-9) * WIDTH).astype(int), WIDTH - 1)
    canvas = [[" "] * WIDTH for _ in range(HEIGHT)]
    for mark, power_mw in (("-", told_mw), (".", record.seen_mw), ("*", fitted_mw)):
        row = (HEIGHT - 1 - (power_mw - low_mw) / span_mw * (HEIGHT - 1)).round().astype(int)
        for r, c in zip(np.clip(row, 0, HEIGHT - 1).tolist(), column.tolist(), strict=True):
            canvas[r][c] = mark
    lines = [
        f"{low_mw + span_mw * (HEIGHT - 1 - r) / (HEIGHT - 1):9.3f} |{''.join(line).rstrip()}"
        for r, line in enumerate(canvas)
    ]
    return "\n".join([*lines, f"       MW 0 s {'':{WIDTH - 16}}{t_s[-1]:.0f} s",
                      "       - told   . measured   * fitted"])  # fmt: skip


def file_text(found: Found, now: datetime | None = None) -> str:
    """Text of the file that the configuration reads."""
    result, more = found.fit, ""
    if found.plan.small_mw:
        more = f"step_min_mw: {found.dead_band_mw.value:.6f}  # {_dead_band(found)}\n"
    return FILE.format(
        id=found.plan.unit.id,
        when=(now or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC"),
        words=f"{found.record.seen_s.size} readings, {found.record.told_s.size} setpoints",
        dead=result.dead_time_s.value, dead_bound=result.dead_time_s.bound,
        lag=result.lag_s.value, lag_bound=result.lag_s.bound,
        gain=_plain(result.gain), more=more,
        noise=1e3 * result.noise_mw, grid=1e3 * found.resolution_mw,
    )  # fmt: skip


def _plain(estimate: Estimate) -> str:
    return estimate.words(digits=3)


def write(path: Path, text: str) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
