"""The plots of a tracking table: what each policy left undone, case by case."""

from typing import Any

import plotly.graph_objects as go

from hil.campaign.plots import blank
from hil.plots import BLUE, GREEN, ORANGE, PURPLE, VERMILION, Plot
from hil.tracking.cases import OTHERS, POLICY
from hil.tracking.cells import spoken
from hil.tracking.making import Outcome
from hil.tracking.plan import BOUND
from hil.tracking.table import Line

LOOKS = {
    POLICY: (BLUE, "circle"),
    "pro_rata": (ORANGE, "square"),
    "merit_order": (PURPLE, "diamond"),
    "exact": (VERMILION, "triangle-up"),
}
ROW_PX = 34


def all_plots(outcome: Outcome) -> list[Plot]:
    """Every plot that there is data for."""
    return [errors(outcome)] if any(line.policies for line in outcome.lines) else []


def errors(outcome: Outcome) -> Plot:
    """Mean error of every run in % of capacity, on a line for each case and signal."""
    names = [_name(line) for line in outcome.lines][::-1]
    figure = blank("mean error, % of regulation capacity", "", 110 + ROW_PX * len(names))
    for policy in (*OTHERS, POLICY):
        figure.add_trace(_dots(outcome, policy))
    figure.add_trace(
        go.Scatter(
            x=[100.0 - line.case.accuracy_pct for line in outcome.lines],
            y=[_name(line) for line in outcome.lines],
            name="limit",
            mode="markers",
            marker={"color": GREEN, "symbol": "line-ns-open", "size": 14, "line": {"width": 2}},
            hovertemplate="limit: %{x:.2f} %<extra></extra>",
        )
    )
    figure.update_yaxes(categoryorder="array", categoryarray=names, tickfont={"size": 11})
    figure.update_xaxes(type="log", dtick="D2")
    caption = "One mark for each run, and the limit of the response-aware policy. Left is better."
    return Plot("What was not delivered", caption, figure, wide=True)


def _dots(outcome: Outcome, policy: str) -> Any:
    """Marks of one policy."""
    some = [
        (job, row.figures["accuracy_pct"])
        for job, row in outcome.done
        if job.policy == policy != BOUND and row.figures.get("accuracy_pct") is not None
    ]
    colour, symbol = LOOKS[policy]
    return go.Scatter(
        x=[round(100.0 - (accuracy or 0.0), 4) for _, accuracy in some],
        y=[f"{job.case.name}, {job.signal}" for job, _ in some],
        text=[f"seed {job.seed}" for job, _ in some],
        name=spoken(policy),
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 9, "opacity": 0.75},
        hovertemplate="%{text}: %{x:.2f} %",
    )


def _name(line: Line) -> str:
    return f"{line.case.name}, {line.signal}"
