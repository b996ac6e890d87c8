"""The report's plot of a frequency event: what was delivered, and what became of the frequency."""

from typing import Any

from plotly.subplots import make_subplots

from hil.measure.frequency_event import Case
from hil.plots import BLUE, INK, MUTED, VERMILION, Plot, line, style
from hil.result import Measured

WHO = (("vpp", "plant", VERMILION), ("coal", "coal unit", BLUE), ("neither", "neither", MUTED))


def frequency_event(run: Measured) -> Plot | None:
    """Delivered and required power above, frequency below; None where there was no event."""
    event = run.event
    if event is None:
        return None
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.07)
    style(figure, run, "", 460)
    cases: list[tuple[Case, str, Any]] = [
        (getattr(event, key), name, colour) for key, name, colour in WHO
    ]
    required = line(event.t_s, event.vpp.required_mw, "required of the plant", INK, width=1.2)
    required.line.dash = "dot"
    figure.add_trace(required, row=1, col=1)
    for case, name, colour in cases[:2]:
        trace = line(event.t_s, case.delivered_mw, name, colour, width=2.0)
        figure.add_trace(trace, row=1, col=1)
    for case, name, colour in cases if event.source.closed_loop else cases[:1]:
        trace = line(event.t_s, case.freq_hz, name, colour, legend=name == "neither")
        trace.hovertemplate = "%{x:.1f} s: %{y:.3f} Hz"
        figure.add_trace(trace, row=2, col=1)
    figure.update_yaxes(title_text="beyond the schedule, MW", row=1, col=1)
    figure.update_yaxes(title_text="frequency, Hz", row=2, col=1)
    figure.update_xaxes(title_text="", row=1, col=1)
    loop = (
        "Each line of the frequency is that of a grid with the one, with the other, and with"
        " neither of the two."
        if event.source.closed_loop
        else "The frequency is as recorded."
    )
    caption = f"Each 0.1 s, from the simulated physics. {loop}"
    return Plot("Answer to the frequency", caption, figure, wide=True)
