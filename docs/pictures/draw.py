"""Draw the pictures of docs/allocation.md: a run in virtual time by each of two policies, as SVG.

    python docs/pictures/draw.py

The same run gives the same picture.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hil import scenario
from hil.measure import inputs, plant, tracking
from hil.sim.run import Simulation

F8 = NDArray[np.float64]
HERE = Path(__file__).parent
POLICIES = {"response_aware": "response-aware", "pro_rata": "pro rata"}
SEED, DURATION_S = 1, 240.0
SINCE_S, UNTIL_S = 60.0, 240.0
SIGNAL = "{kind: steps, interval_s: 2.0, steps: [[0, 0.0], [75, 0.7], [165, -0.4]]}"
STEP = 5  # of the 0.1 s of a recording: a point each half second
PARTS = {  # what is drawn together: kinds, name, colour
    ("battery",): ("batteries", "#0072B2"),
    ("ev_hub", "pv"): ("chargers and PV", "#E69F00"),
    ("hvac", "industrial"): ("HVAC and industry", "#009E73"),
}
INK, MUTED, GRID, DELIVERED = "#1f2933", "#5f6c7b", "#e4e7eb", "#D55E00"
WIDTH, LEFT, RIGHT = 860.0, 56.0, 16.0
PANELS = ((34.0, 170.0), (254.0, 200.0))  # top and height, px
HEIGHT = 500.0
LOW_MW, HIGH_MW = -45.0, 68.0
TICKS_MW = (-40, -20, 0, 20, 40, 60)
Line = tuple[str, str, F8]  # name, colour, MW on the grid


def main() -> None:
    """Run, and draw."""
    for policy, name in POLICIES.items():
        with tempfile.TemporaryDirectory() as folder:
            t_s, above, below = series(policy, Path(folder))
        path = HERE / f"{policy.replace('_', '-')}.svg"
        path.write_text(svg(name, t_s, above, below), encoding="utf-8")
        sys.stdout.write(f"{path}\n")


def series(policy: str, folder: Path) -> tuple[F8, list[Line], list[Line]]:
    """Make a run: instants, request and delivered power, and the parts of each group of units."""
    settings = [
        ("allocation.policy", policy), ("seed", str(SEED)),
        ("duration_s", f"{DURATION_S}"), ("signal", SIGNAL),
    ]  # fmt: skip
    Simulation(scenario.load("zhejiang", settings), folder).make()
    run = inputs.read(folder / "raw")
    traces = plant.traces(run, plant.read_processes(run))
    t_s = traces.t_s - run.t0_s
    shown = np.flatnonzero((t_s >= SINCE_S) & (t_s <= UNTIL_S))[::STEP]
    base_mw = float(run.units.basepoint_mw.sum())
    sent_s, request_mw = tracking.request_steps(run)
    held = np.searchsorted(sent_s, traces.t_s[shown], side="right") - 1
    above = [
        ("request", INK, request_mw[held] - base_mw),
        ("delivered", DELIVERED, traces.total_mw[shown] - base_mw),
    ]
    below = [
        (name, colour, np.sum([traces.kind_mw[kind][shown] for kind in kinds], axis=0))
        for kinds, (name, colour) in PARTS.items()
    ]
    return t_s[shown], above, below


def svg(policy: str, t_s: F8, above: Sequence[Line], below: Sequence[Line]) -> str:
    """Give the picture: request and delivered power, and below who delivers it."""
    titles = (f"Regulation, MW around the basepoints: {policy}", "Who delivers it, MW")
    body = "".join(
        panel(title, t_s, lines, top, height)
        for title, lines, (top, height) in zip(titles, (above, below), PANELS, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}"'
        ' font-family="system-ui,sans-serif" font-size="12">'
        f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="white"/>{body}'
        f'<text x="{WIDTH - RIGHT:g}" y="{HEIGHT - 8:g}" text-anchor="end" fill="{MUTED}">'
        "time since the start, s</text></svg>\n"
    )


def panel(title: str, t_s: F8, lines: Sequence[Line], top: float, height: float) -> str:
    """Give one set of axes with its lines and their names."""
    parts = [_text(LEFT, top - 14, title, INK, "bold"), _grid(top, height)]
    for i, (name, colour, mw) in enumerate(lines):
        x, y = _across(t_s), _down(mw, top, height)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.7" points="{points}"/>'
        )
        at = WIDTH - RIGHT - 150.0 * (len(lines) - i)
        parts.append(
            f'<rect x="{at:g}" y="{top - 23:g}" width="18" height="3" fill="{colour}"'
            f' transform="translate(0 5)"/>{_text(at + 24, top - 14, name, INK)}'
        )
    return "".join(parts)


def _grid(top: float, height: float) -> str:
    parts = []
    for mw in TICKS_MW:
        y = float(_down(np.array(float(mw)), top, height))
        parts.append(_stroke(LEFT, y, WIDTH - RIGHT, y))
        parts.append(_text(LEFT - 8, y + 4, f"{mw}", MUTED, anchor="end"))
    for t_s in np.arange(SINCE_S, UNTIL_S + 1.0, 30.0).tolist():
        x = float(_across(np.array(t_s)))
        parts.append(_stroke(x, top, x, top + height))
        parts.append(_text(x, top + height + 16, f"{t_s:g}", MUTED, anchor="middle"))
    return "".join(parts)


def _across(t_s: F8) -> F8:
    return LEFT + (t_s - SINCE_S) / (UNTIL_S - SINCE_S) * (WIDTH - LEFT - RIGHT)


def _down(mw: F8, top: float, height: float) -> F8:
    return top + height * (HIGH_MW - mw) / (HIGH_MW - LOW_MW)


def _stroke(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{GRID}"/>'


def _text(
    x: float, y: float, text: str, colour: str, weight: str = "normal", *, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-weight="{weight}"'
        f' text-anchor="{anchor}">{text}</text>'
    )


if __name__ == "__main__":
    main()
