"""What a person sees during a run: a live screen, or one line each ten seconds."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TypedDict, cast

from rich.bar import Bar
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hil.braille import Series, plot
from hil.measure.tracking import skipped_s
from hil.scenario import Scenario
from hil.scorecard import scorecard
from hil.tiles import counted

__all__ = ["Benched", "Frame", "Screen", "scorecard"]

WINDOW_S = 90.0
LINE_EVERY_S = 10.0
REFRESH_PER_S = 4
REQUEST, DELIVERED, GOOD, BAD, DIM = "white", "bold #E69F00", "#00B386", "bold #FF7043", "dim"
KIND_STYLES = {
    "battery": "#3A9BDC",
    "ev_hub": "#56B4E9",
    "hvac": "#00B386",
    "industrial": "#CC79A7",
    "pv": "#E69F00",
}


class Benched(TypedDict):
    """A unit that takes no part."""

    id: str
    reason: str


class Frame(TypedDict, total=False):
    """What is known at one moment. Keys that are left out keep their last value."""

    phase: str  # what the bench is doing before and after the scored run; "" during it
    t_s: float  # since the start of the scored run
    signal_pu: float
    request_mw: float
    plant_mw: float
    unserved_mw: float
    by_kind: Mapping[str, float]  # MW around the basepoints, from the physics
    tick_us: Mapping[str, float | None]  # p50, p99
    lateness_ms: Mapping[str, float | None]
    missed_ticks: int
    mode: str
    units_online: int
    units_total: int
    benched: list[Benched]
    alarms: list[str]  # what is wrong now, in words


class Screen:
    """Shows frames. Without a terminal it prints one line each ten seconds of the run.

    Parameters
    ----------
    scenario : Scenario
    duration_s : float
        Of the scored run.
    console : rich.console.Console, optional
        Where to; standard output by default.
    clock : callable, optional
        Monotonic seconds; they are shown while there is no time of the run yet.
    """

    def __init__(
        self,
        scenario: Scenario,
        duration_s: float,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scenario = scenario
        self._duration_s = duration_s
        self._console = console or Console()
        self._frame: Frame = {"phase": "starting", "t_s": 0.0}
        self._request: deque[tuple[float, float]] = deque()
        self._plant: deque[tuple[float, float]] = deque()
        self._accuracy = _Accuracy(scenario.regulation_mw, skipped_s(duration_s))
        self._next_line_s = 0.0
        self._clock = clock
        self._since_s = clock()
        self._live: Live | None = None

    def __enter__(self) -> "Screen":
        if self._console.is_terminal:
            self._live = Live(
                _View(self),
                console=self._console,
                screen=True,
                auto_refresh=True,
                refresh_per_second=REFRESH_PER_S,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(self, known: Mapping[str, object]) -> None:
        """Show what is known now, a `Frame`. The screen itself is drawn a few times a second."""
        frame = cast("Frame", known)
        phase_before = self._frame.get("phase", "")
        self._frame.update(frame)
        if "t_s" in frame and "plant_mw" in frame and "request_mw" in frame:
            t_s, request_mw, plant_mw = frame["t_s"], frame["request_mw"], frame["plant_mw"]
            self._request.append((t_s, request_mw))
            self._plant.append((t_s, plant_mw))
            while self._request[0][0] < t_s - WINDOW_S:
                self._request.popleft()
                self._plant.popleft()
            self._accuracy.add(t_s, request_mw - plant_mw)
        if self._live is None:
            self._print_line(phase_before)

    def _print_line(self, phase_before: str) -> None:
        phase, t_s = self._frame.get("phase", ""), self._frame.get("t_s", 0.0)
        if phase and phase != phase_before:
            self._console.print(phase, highlight=False, soft_wrap=True)
        if not phase and self._request and t_s >= self._next_line_s:
            self._next_line_s = (t_s // LINE_EVERY_S + 1.0) * LINE_EVERY_S
            self._console.print(self.line(), highlight=False, soft_wrap=True)

    def line(self) -> str:
        """Everything of now in one line."""
        frame = self._frame
        request, plant = frame.get("request_mw"), frame.get("plant_mw")
        parts = [
            f"{frame.get('t_s', 0.0):6.0f} s of {self._duration_s:g}",
            f"request {_number(request, 7, 2)} MW",
            f"delivered {_number(plant, 7, 2)} MW",
            f"accuracy {_number(self._accuracy.pct, 6, 2)} %",
            f"tick p50 {_number(_of(frame.get('tick_us'), 'p50'), 4, 0)}"
            f" p99 {_number(_of(frame.get('tick_us'), 'p99'), 4, 0)} µs",
            f"units {frame.get('units_online', '–')}/{frame.get('units_total', '–')}",
            frame.get("mode", "–"),
        ]
        if alarms := self.alarms():
            parts.append("! " + "; ".join(alarms[:3]) + (" …" if len(alarms) > 3 else ""))
        return "  ".join(parts)

    def alarms(self) -> list[str]:
        """What is wrong now."""
        benched = [f"{unit['id']} {unit['reason']}" for unit in self._frame.get("benched", [])]
        missed = self._frame.get("missed_ticks", 0)
        late = [counted(missed, "missed tick")] if missed else []
        return [*self._frame.get("alarms", []), *late, *benched]

    def draw(self, width: int, height: int) -> RenderableType:
        """Draw the whole screen."""
        low = max(7, min(10, height - 12))
        layout = Layout()
        layout.split_column(
            Layout(self._head(width), size=3, name="head"),
            Layout(self._chart(width, height - 3 - low), name="chart"),
            Layout(name="low", size=low),
        )
        layout["low"].split_row(
            Layout(Panel(self._figures(), title="now", border_style=DIM), ratio=4),
            Layout(Panel(self._kinds(), title="MW around basepoint", border_style=DIM), ratio=4),
            Layout(self._alarm_panel(low - 2), ratio=4),
        )
        return layout

    def _head(self, width: int) -> RenderableType:
        t_s = min(max(0.0, self._frame.get("t_s", 0.0)), self._duration_s)
        phase = self._frame.get("phase", "")
        title = self._scenario.title or self._scenario.name
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        if phase:  # how long that takes is not known: no bar, but the seconds go on
            grid.add_column(justify="right", no_wrap=True)
            spent_s = self._clock() - self._since_s
            grid.add_row(Text(f"{phase} …", "bold"), f"{spent_s:.0f} s")
            return Panel(grid, title=title, title_align="left", border_style=DIM)
        grid.add_column(width=max(10, width // 4))
        grid.add_column(justify="right", no_wrap=True)
        bar = ProgressBar(total=self._duration_s, completed=t_s)
        told = f"{t_s:.0f} of {self._duration_s:g} s"
        grid.add_row(Text(title, "bold"), bar, told)
        return Panel(grid, border_style=DIM)

    def _chart(self, width: int, height: int) -> RenderableType:
        end_s = max(WINDOW_S, self._frame.get("t_s", 0.0))
        series = [Series(self._request, REQUEST), Series(self._plant, DELIVERED)]
        least = 0.05 * max(1.0, self._scenario.regulation_mw)
        rows = plot(width - 4, max(1, height - 2), (end_s - WINDOW_S, end_s), series, least)
        title = Text.assemble(
            ("━ ", REQUEST), "request  ", ("━ ", DELIVERED), f"delivered, MW, last {WINDOW_S:g} s"
        )
        return Panel(Group(*rows), title=title, title_align="left", border_style=DIM)

    def _figures(self) -> RenderableType:
        frame = self._frame
        request, plant = frame.get("request_mw"), frame.get("plant_mw")
        error = plant - request if plant is not None and request is not None else None
        limit_mw = 0.05 * self._scenario.regulation_mw
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(style=DIM)
        grid.add_column(justify="right", no_wrap=True)
        grid.add_row("signal", f"{_number(frame.get('signal_pu'), 0, 3)} pu")
        grid.add_row("request", Text(f"{_number(request, 0, 2)} MW", REQUEST))
        grid.add_row("delivered", Text(f"{_number(plant, 0, 2)} MW", DELIVERED))
        style = "" if error is None else GOOD if abs(error) <= limit_mw else BAD
        grid.add_row("error", Text(f"{_number(error, 0, 2)} MW", style))
        pct = self._accuracy.pct
        told = f"from {self._accuracy.skip_s:g} s" if pct is None else f"{pct:.2f} %"
        grid.add_row("accuracy", Text(told, DIM if pct is None else "bold"))
        p50, p99 = (_of(frame.get("tick_us"), p) for p in ("p50", "p99"))
        grid.add_row("tick p50/p99", f"{_number(p50, 0, 0)}/{_number(p99, 0, 0)} µs")
        late = _number(_of(frame.get("lateness_ms"), "p99"), 0, 2)
        grid.add_row("late p99", f"{late} ms")
        return grid

    def _kinds(self) -> RenderableType:
        """Bars around the middle, as long as the regulation capacity at most."""
        full = max(1e-6, self._scenario.regulation_mw)
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(ratio=1)
        grid.add_column(justify="right", no_wrap=True)
        for kind, p_mw in self._frame.get("by_kind", {}).items():
            held = min(max(p_mw, -full), full)
            bar = Bar(2 * full, full + min(0.0, held), full + max(0.0, held))
            bar.style = self._console.get_style(KIND_STYLES.get(kind, "white"))
            grid.add_row(kind.replace("_", " "), bar, f"{round(p_mw, 1) + 0.0:+.1f}")
        grid.add_row(Text("unserved", DIM), "", _number(self._frame.get("unserved_mw"), 0, 1))
        return grid

    def _alarm_panel(self, height: int) -> RenderableType:
        frame = self._frame
        online = f"{frame.get('units_online', '–')}/{frame.get('units_total', '–')}"
        alarms = self.alarms()
        shown = alarms if len(alarms) < height else alarms[: height - 2]
        lines = [Text(f"{frame.get('mode', '–')} {online}", "bold")]
        lines += [Text(a, BAD, no_wrap=True, overflow="ellipsis") for a in shown]
        if len(shown) < len(alarms):
            lines.append(Text(f"… and {len(alarms) - len(shown)} more", DIM))
        if not alarms:
            lines.append(Text("no alarm", GOOD))
        style = BAD if alarms else DIM
        return Panel(Group(*lines), title=f"alarms ({len(alarms)})", border_style=style)


class _View:
    """Draws a screen in whatever room there is."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._screen.draw(options.max_width, options.height or console.height)


class _Accuracy:
    """Tracking accuracy of the run so far, of regulation capacity, %.

    As in the result: the start of the run is left out, and time counts, not the number of frames.
    """

    def __init__(self, basis_mw: float, skip_s: float) -> None:
        self._basis_mw, self.skip_s = basis_mw, skip_s
        self._sum_mws = self._time_s = 0.0
        self._last_s: float | None = None

    def add(self, t_s: float, error_mw: float) -> None:
        """One frame; it stands for the time since the one before it."""
        if t_s >= self.skip_s:
            if self._last_s is not None and t_s > self._last_s:
                self._sum_mws += abs(error_mw) * (t_s - self._last_s)
                self._time_s += t_s - self._last_s
            self._last_s = t_s

    @property
    def pct(self) -> float | None:
        """Accuracy; None while there is nothing to measure."""
        if not (self._time_s > 0.0 and self._basis_mw > 0.0):
            return None
        return 100.0 * (1.0 - self._sum_mws / self._time_s / self._basis_mw)


def _number(value: float | None, width: int, digits: int) -> str:
    # adding 0.0 turns -0.0 into 0.0
    return ("–" if value is None else f"{round(value, digits) + 0.0:.{digits}f}").rjust(width)


def _of(values: Mapping[str, float | None] | None, key: str) -> float | None:
    return None if values is None else values.get(key)
