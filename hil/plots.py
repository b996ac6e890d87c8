"""The report's plots: plotly figures on one time axis, seconds since the start of the run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from hil import decimate, oracle
from hil.fault_marks import CROWDED, Mark, Objects, drawn, is_crowded
from hil.measure import inputs, tracking
from hil.measure.journal import Ticks
from hil.measure.plant import second_means
from hil.result import Measured

F8 = NDArray[np.float64]

# Okabe and Ito's palette: told apart by every kind of colour vision.
INK, MUTED, GRID = "#1f2933", "#5f6c7b", "#e4e7eb"
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#B8A800",
)
KIND_COLOURS = {
    "battery": BLUE,
    "ev_hub": SKY,
    "hvac": GREEN,
    "industrial": PURPLE,
    "pv": ORANGE,
    "other": YELLOW,
}
FINE_UP_TO_S = 1200.0  # longer runs are drawn from means of a second
BARS_MAX = 400


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot and what it says."""

    title: str
    caption: str
    figure: Any  # plotly has no types
    wide: bool = False


def all_plots(run: Measured) -> list[Plot]:
    """Every plot that the run has data for, in the order of the page."""
    makers: list[Callable[[Measured], Plot | None]] = [
        power,
        error,
        contribution,
        latency,
        tick_time,
        charge,
        machine,
        faults,
    ]
    return [plot for make in makers if (plot := make(run)) is not None]


def power(run: Measured) -> Plot:
    """Request against delivered power."""
    rows = run.rows
    figure = _figure(run, "power, MW")
    if run.run.duration_s <= FINE_UP_TO_S:
        sent_s, request = tracking.request_steps(run.run)
        t_request = np.append(sent_s - run.run.t0_s, run.run.duration_s)
        request = np.append(request, request[-1:])
        t_plant, plant = run.plant.t_s - run.run.t0_s, run.plant.total_mw
        caption = "Request: as the TSO sent it, held. Delivered: simulated physics, each 0.1 s."
    else:
        t_request, request, t_plant, plant = rows.t_s, rows.request_mw, rows.t_s, rows.plant_mw
        caption = "Request as the TSO sent it, and delivered power: means of each second."
    figure.add_trace(line(t_request[: request.size], request, "request", INK, shape="hv"))
    figure.add_trace(line(t_plant, plant, "delivered", VERMILION, width=2.2))
    possible = run.out_dir / "oracle.json"
    if possible.exists():
        bound = oracle.read(possible)
        scored = slice(bound.skipped_s, None)
        t_s, possible_mw = bound.t_s[scored] + 0.5, bound.delivered_mw[scored]
        figure.add_trace(line(t_s, possible_mw, "possible", GREEN))
        caption += " Possible: the best known schedule of one who knows the future, by the second."
    _shade_skipped(figure, run)
    return Plot("Signal request and delivered power", caption, figure, wide=True)


def error(run: Measured) -> Plot:
    """Delivered less request."""
    figure = _figure(run, "error, MW", height=240)
    difference = run.rows.plant_mw - run.rows.request_mw
    shown = decimate.kept(difference)
    figure.add_trace(
        go.Scatter(
            x=_list(run.rows.t_s[shown] + 0.5),
            y=_list(difference[shown]),
            name="delivered - request",
            line={"color": VERMILION, "width": 1.4},
            fill="tozeroy",
            fillcolor="rgba(213,94,0,.15)",
            hovertemplate="%{x:.0f} s: %{y:.2f} MW",
        )
    )
    basis_mw = run.run.units.regulation_mw
    figure.add_hrect(-0.01 * basis_mw, 0.01 * basis_mw, fillcolor=GREEN, opacity=0.12, line_width=0)
    if np.nanmax(np.abs(run.rows.unserved_mw), initial=0.0) > 0.01:
        unserved = line(run.rows.t_s + 0.5, -run.rows.unserved_mw, "not served", BLUE, width=1.2)
        unserved.line.dash = "dot"
        figure.add_trace(unserved)
    _shade_skipped(figure, run)
    caption = (
        "Delivered less request, means of each second."
        f" Green: ±1 % of the {basis_mw:g} MW regulation capacity."
        " Grey: start of the run, left out of the tracking figures."
    )
    return Plot("Tracking error", caption, figure, wide=True)


def contribution(run: Measured) -> Plot:
    """What each kind gives around its basepoints, stacked."""
    figure = _figure(run, "MW around the basepoints")
    group = max(1, -(-run.run.seconds // BARS_MAX))
    whole = run.run.seconds // group * group
    centre = (np.arange(0, whole, group) + group / 2.0).astype(np.float64)
    for kind, trace_mw in run.plant.kind_mw.items():
        means = _second_means(run, trace_mw)[:whole].reshape(-1, group).mean(axis=1)
        colour = KIND_COLOURS.get(kind, YELLOW)
        figure.add_trace(
            go.Bar(
                x=_list(centre),
                y=_list(means),
                name=kind.replace("_", " "),
                marker={"color": colour, "line": {"width": 0}},
                hovertemplate="%{x:.0f} s: %{y:.2f} MW",
            )
        )
    request = run.rows.request_mw - _base_mw(run)
    figure.add_trace(line(run.rows.t_s + 0.5, request, "request", INK, width=1.4))
    figure.update_layout(barmode="relative", bargap=0.0)
    caption = "Power of each kind less its basepoints, stacked; the line is the regulation asked."
    return Plot("Contribution of each kind", caption, figure, wide=True)


def latency(run: Measured) -> Plot | None:
    """Signal to last setpoint, for each AGC value."""
    found = run.latencies
    if found is None or not np.isfinite(found.signal_to_last_s).any():
        return None
    figure = _figure(run, "latency, ms")
    t_s = found.at_s - run.run.t0_s
    series = (
        ("to the last setpoint in its device", found.signal_to_last_s, BLUE, "circle"),
        ("less the simulated links", found.without_links_s, ORANGE, "diamond"),
        ("to the start of the tick", found.signal_to_tick_s, GREEN, "x"),
    )
    for name, value, colour, symbol in series:
        figure.add_trace(_dots(t_s, 1e3 * value, name, colour, symbol, "ms"))
    told = run.result["timing"]["signal_to_last_setpoint_ms"]
    figure.add_hline(told["p99"], line={"color": BLUE, "dash": "dot", "width": 1.2})
    figure.update_yaxes(rangemode="tozero")
    left = run.result["timing"]["left_out"]
    out = ", ".join(f"{n} {key.replace('_', ' ')}" for key, n in left.items() if n is not None)
    caption = (
        "One mark for each AGC value: from the daemon's socket to its last setpoint's reception,"
        f" measured at the devices. Dotted: p99, {told['p99']:.0f} ms. Left out: {out}."
    )
    return Plot("From signal to last setpoint", caption, figure)


def tick_time(run: Measured) -> Plot | None:
    """Length and lateness of each tick; in virtual time a tick takes none, and few are late."""
    ticks = run.ticks
    if ticks is None or ticks.now_s.size == 0:
        return None
    if run.run.run.get("clock") == "virtual":
        return _lateness(run, ticks)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.09)
    style(figure, run, "", 320)
    t_s = ticks.now_s - run.run.t0_s
    inside = (t_s >= 0.0) & (t_s <= run.run.duration_s)
    figure.add_trace(
        _dots(t_s[inside], ticks.tick_us[inside], "tick time", BLUE, "circle", "µs"), row=1, col=1
    )
    figure.add_trace(
        _dots(t_s[inside], 1e3 * ticks.late_s[inside], "lateness", ORANGE, "diamond", "ms"),
        row=2,
        col=1,
    )
    figure.update_yaxes(title_text="tick time, µs", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text="lateness, ms", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(title_text="", row=1, col=1)
    figure.update_layout(showlegend=False)
    caption = "Computation of each tick, and how late it began against its deadline."
    return Plot("Tick time and lateness", caption, figure)


def _lateness(run: Measured, ticks: Ticks) -> Plot | None:
    """How late ticks began; None where none was."""
    t_s = ticks.now_s - run.run.t0_s
    late = (t_s >= 0.0) & (t_s <= run.run.duration_s) & (ticks.late_s > 0.0)
    if not late.any():
        return None
    figure = go.Figure(
        _dots(t_s[late], 1e3 * ticks.late_s[late], "lateness", ORANGE, "diamond", "ms")
    )
    style(figure, run, "lateness, ms", 320)
    figure.update_yaxes(rangemode="tozero")
    return Plot("Late ticks", "How late ticks began against their deadlines.", figure)


def charge(run: Measured) -> Plot | None:
    """Fan of the states of charge."""
    soc = 100.0 * run.plant.soc_pu
    if soc.shape[1] == 0 or not np.isfinite(soc).any():
        return None
    known = np.isfinite(soc).all(axis=1)
    quantiles = np.full((5, soc.shape[0]), np.nan)
    quantiles[:, known] = np.percentile(soc[known], [0, 10, 50, 90, 100], axis=1)
    figure = _figure(run, "state of charge, %", height=260)
    t_s = run.rows.t_s
    low, p10, median, p90, high = quantiles
    figure.add_trace(line(t_s, low, "lowest and highest", SKY, width=1.0))
    figure.add_trace(line(t_s, high, "highest", SKY, width=1.0, legend=False))
    figure.add_trace(line(t_s, p10, "p10", BLUE, width=0.0, legend=False))
    band = line(t_s, p90, "p10 to p90", BLUE, width=0.0)
    band.update(fill="tonexty", fillcolor="rgba(0,114,178,.18)")
    figure.add_trace(band)
    figure.add_trace(line(t_s, median, "median", BLUE, width=2.2))
    caption = f"States of charge of the {soc.shape[1]} units with a store."
    return Plot("State of charge", caption, figure)


def machine(run: Measured) -> Plot | None:
    """Memory and load of the daemon."""
    samples = np.array(run.run.run.get("samples") or [], dtype=np.float64).reshape(-1, 4)
    if samples.shape[0] == 0:
        return None
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.09)
    style(figure, run, "", 260)
    t_s, rss_mb, cpu_pct, bench_pct = samples.T
    figure.add_trace(line(t_s, rss_mb, "daemon", BLUE), row=1, col=1)
    figure.add_trace(line(t_s, cpu_pct, "daemon", BLUE, legend=False), row=2, col=1)
    figure.add_trace(line(t_s, bench_pct, "bench", ORANGE), row=2, col=1)
    figure.update_yaxes(title_text="memory, MB", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text="CPU, % of a core", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(title_text="", row=1, col=1)
    return Plot("Memory and load", "Resident memory and CPU, each second.", figure)


def faults(run: Measured) -> Plot | None:
    """Injected faults, by kind; those that last as bars. Violations, if there are any."""
    lanes = _lanes(run)
    if not lanes:
        return None
    figure = _figure(run, "", height=70 + 34 * len(lanes))
    for kind, spans in sorted(lanes.items(), reverse=True):
        name = f"{kind} ({len(spans)})"
        x, text = drawn(spans)
        colour = VERMILION if kind.startswith("VIOLATION") else MUTED
        figure.add_trace(
            go.Scatter(
                x=x,
                y=np.full(len(x), name, dtype=object),
                text=text,
                mode="lines+markers",
                line={"color": colour, "width": 3},
                opacity=0.8,
                marker=_fault_mark(colour, len(spans)),
                hovertemplate="%{x:.1f} s %{text}<extra></extra>",
            )
        )
    figure.update_layout(showlegend=False)
    figure.update_yaxes(tickfont={"size": 11}, range=[-0.6, len(lanes) - 0.4])
    caption = "What the bench did to the plant, and when. Point at a mark for the unit."
    if any(is_crowded(spans) for spans in lanes.values()):
        caption += f" {CROWDED}"
    return Plot("Faults", caption, figure, wide=True)


def _lanes(run: Measured) -> dict[str, list[Mark]]:
    """Faults by kind."""
    lanes: dict[str, list[Mark]] = {}
    ids, t0_s = run.run.units.ids, run.run.t0_s

    def add(kind: str, since_s: float, until_s: float, unit: int) -> None:
        name = ids[unit] if unit >= 0 else ""
        # What began before the run is drawn from its start.
        span = (max(0.0, since_s - t0_s), until_s - t0_s, name)
        if until_s >= t0_s:
            lanes.setdefault(kind.replace("_", " "), []).append(span)

    for span in inputs.spans(run.run):
        # A fault of many units is one mark.
        add(span.kind, span.since_s, span.until_s, span.units[0] if len(span.units) == 1 else -1)
    for event in run.run.events:
        if event["kind"] == "write_lost":
            add("write_lost", float(event["t_s"]), float(event["t_s"]), int(event["unit"]))
    for violation in run.broken:
        add(f"VIOLATION {violation.check}", violation.t_s, violation.t_s, violation.unit)
    return lanes


def _fault_mark(colour: str, count: int) -> dict[str, Any]:
    """Marks of one lane; many become thin strokes, or they would hide each other."""
    if count > 60:
        return {"symbol": "line-ns", "size": 12, "line": {"width": 1, "color": colour}}
    return {"symbol": "diamond", "size": 7, "color": colour}


def _figure(run: Measured, unit: str, height: int = 320) -> Any:
    figure = go.Figure()
    style(figure, run, unit, height)
    return figure


def style(figure: Any, run: Measured, unit: str, height: int) -> None:
    """Give a figure the looks of the page, and its time axis."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 52, "r": 10, "t": 8, "b": 40},
        font={"family": "system-ui, sans-serif", "size": 12, "color": INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        hovermode="closest",
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"},
    )
    figure.update_xaxes(
        title={"text": "time since the start, s", "font": {"size": 11, "color": MUTED}},
        range=[0.0, run.run.duration_s],
        gridcolor=GRID,
        zeroline=False,
        ticks="outside",
        tickcolor=GRID,
    )
    figure.update_yaxes(
        title={"text": unit, "font": {"size": 11, "color": MUTED}},
        gridcolor=GRID,
        zerolinecolor="#9aa5b1",
        automargin=True,
    )


def line(
    x: F8,
    y: F8,
    name: str,
    colour: str,
    *,
    width: float = 1.6,
    shape: str = "linear",
    legend: bool = True,
) -> Any:
    """Make a line of a series."""
    shown = decimate.kept(y)
    return go.Scatter(
        x=_list(x[shown]),
        y=_list(y[shown]),
        name=name,
        mode="lines",
        line={"color": colour, "width": width, "shape": shape},
        showlegend=legend,
        hovertemplate="%{x:.1f} s: %{y:.2f}",
    )


def _dots(x: F8, y: F8, name: str, colour: str, symbol: str, unit: str) -> Any:
    shown = decimate.kept(y, decimate.DOT_COLUMNS)
    return go.Scatter(
        x=_list(x[shown]),
        y=_list(y[shown]),
        name=name,
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 5.5, "opacity": 0.8},
        hovertemplate=f"%{{x:.1f}} s: %{{y:.2f}} {unit}",
    )


def _list(values: F8) -> Objects:
    """Plain numbers, rounded: a page of arrays in base 64 could not be read by people.

    As an array of objects, in which plotly does not look at each one several times.
    """
    rounded = np.array([round(v, 4) for v in values.tolist()], dtype=object)
    rounded[~np.isfinite(values)] = None
    return rounded


def _base_mw(run: Measured) -> float:
    return float(run.run.units.basepoint_mw.sum())


def _second_means(run: Measured, value: F8) -> F8:
    return second_means(run.run, run.plant.t_s, value)


def _shade_skipped(figure: Any, run: Measured) -> None:
    """Mark the part of the run that tracking figures leave out."""
    until_s = min(run.result["tracking"]["skipped_s"], run.run.duration_s)
    figure.add_vrect(0.0, until_s, fillcolor="#9aa5b1", opacity=0.12, line_width=0, layer="below")
