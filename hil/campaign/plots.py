"""The plots of a campaign: how its figures are spread over the seeds."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from hil.campaign.figures import BY_NAME, Figure, shown
from hil.campaign.row import Row
from hil.campaign.summary import Summary, values
from hil.plots import BLUE, GRID, INK, MUTED, VERMILION, Plot

SPREAD = (
    "accuracy_pct",
    "pjm_score",
    "kp",
    "latency_p99_ms",
    "unserved_mwh",
    "failed_writes",
)
BINS = 40
DOTS_MAX = 4000  # good seeds drawn one by one; more are thinned out evenly
LANES_MAX = 14
FEW = 10


def all_plots(rows: Sequence[Row], summary: Summary) -> list[Plot]:
    """Every plot that the rows have data for."""
    made = [reasons(summary), by_faults(rows)]
    made += [spread(BY_NAME[name], rows) for name in SPREAD]
    return [plot for plot in made if plot is not None]


def reasons(summary: Summary) -> Plot | None:
    """Failed seeds by what was wrong."""
    if not summary.reasons:
        return None
    named = list(summary.reasons.items())[:LANES_MAX]
    figure = blank("seeds", "", 90 + 30 * len(named))
    figure.add_trace(
        go.Bar(
            x=[seeds for _, seeds in named][::-1],
            y=[what for what, _ in named][::-1],
            text=[f"{seeds:,}" for _, seeds in named][::-1],
            orientation="h",
            marker={"color": VERMILION},
            hovertemplate="%{y}: %{x} seeds<extra></extra>",
        )
    )
    figure.update_yaxes(tickfont={"size": 11})
    figure.update_xaxes(rangemode="tozero")
    if named[0][1] < FEW:
        figure.update_xaxes(dtick=1)  # there are no half seeds
    caption = "Failed seeds by what was wrong with them; a seed may count more than once."
    return Plot("What failed", caption, figure, wide=True)


def by_faults(rows: Sequence[Row]) -> Plot | None:
    """Accuracy of each seed against the faults that it met."""
    accuracy, faults = (BY_NAME[name] for name in ("accuracy_pct", "faults"))
    known = [r for r in rows if None not in (r.figures.get("faults"), r.figures.get(accuracy.name))]
    if not known:
        return None
    figure = blank(f"{faults.label}", f"{accuracy.label}, %", 320)
    good = [row for row in known if not row.failed]
    failed = [row for row in known if row.failed]
    step = -(-len(good) // DOTS_MAX) or 1
    for name, some, colour, symbol in (
        ("good", good[::step], BLUE, "circle"),
        ("failed", failed, VERMILION, "x"),
    ):
        if some:
            figure.add_trace(
                go.Scatter(
                    x=[row.figures["faults"] for row in some],
                    y=[round(row.figures["accuracy_pct"] or 0.0, 4) for row in some],
                    text=[f"seed {row.seed}" for row in some],
                    name=name,
                    mode="markers",
                    marker={"color": colour, "symbol": symbol, "size": 6, "opacity": 0.7},
                    hovertemplate="%{text}: %{x} faults, %{y:.2f} %<extra></extra>",
                )
            )
    figure.update_layout(showlegend=bool(failed))
    caption = "One mark for each seed. Point at it for its number."
    return Plot("Accuracy and faults", caption, figure, wide=True)


def spread(figure: Figure, rows: Sequence[Row]) -> Plot | None:
    """Histogram of one figure, failed seeds on top of the good ones."""
    failed = {row.seed for row in rows if row.failed}
    known = values(figure, rows)
    numbers = np.array([value for _, value in known])
    if not numbers.size or numbers.min() == numbers.max():
        return None
    unit = f", {figure.unit}" if figure.unit else ""
    drawn = blank(f"{figure.label}{unit}", "seeds", 260)
    edges = np.histogram_bin_edges(numbers, bins=min(BINS, 5 + numbers.size // 5))
    is_failed = np.array([seed in failed for seed, _ in known])
    for name, mask, colour in (("good", ~is_failed, BLUE), ("failed", is_failed, VERMILION)):
        if mask.any():
            counts, _ = np.histogram(numbers[mask], bins=edges)
            drawn.add_trace(
                go.Bar(
                    x=[round(v, 6) for v in (0.5 * (edges[1:] + edges[:-1])).tolist()],
                    y=counts.tolist(),
                    width=round(float(edges[1] - edges[0]), 9),
                    name=name,
                    marker={"color": colour, "line": {"width": 0.5, "color": "white"}},
                    hovertemplate=f"%{{x:.{figure.digits}f}}: %{{y}} seeds",
                )
            )
    drawn.update_layout(barmode="stack", bargap=0.0, showlegend=bool(is_failed.any()))
    drawn.update_layout(legend_traceorder="normal")
    drawn.update_xaxes(tickvals=_round_numbers(float(edges[0]), float(edges[-1])))
    if len(known) < FEW:
        drawn.update_yaxes(dtick=1)
    median = float(np.median(numbers))
    drawn.add_vline(median, line={"color": INK, "dash": "dot", "width": 1.2})
    caption = f"Dotted: the median, {shown(figure, median)} {figure.unit}".rstrip() + "."
    return Plot(_capital(figure.label), caption, drawn)


def blank(x: str, y: str, height: int) -> Any:
    """Give an empty figure in the style of the page, with the titles of its axes."""
    figure = go.Figure()
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 52, "r": 16, "t": 8, "b": 44},
        font={"family": "system-ui, sans-serif", "size": 12, "color": INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        hovermode="closest",
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"},
    )
    title = {"size": 11, "color": MUTED}
    figure.update_xaxes(title={"text": x, "font": title}, gridcolor=GRID, zeroline=False)
    figure.update_yaxes(title={"text": y, "font": title}, gridcolor=GRID, automargin=True)
    return figure


def _round_numbers(low: float, high: float) -> list[float]:
    """Three to seven round numbers from `low` to `high`; by itself plotly marks every bar."""
    power = 10.0 ** math.floor(math.log10((high - low) / 3.0))
    step = next(k * power for k in (1, 2, 5, 10) if (high - low) / (k * power) <= 6.0)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(k * step, 9) for k in range(first, last + 1)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
