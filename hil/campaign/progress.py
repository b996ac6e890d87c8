"""How far a campaign is: a bar on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from hil.campaign.row import Row

LINE_S = 10.0  # without a terminal: seconds between two lines
TOLD = 10  # failures told one by one; all of them are in the tables


class CampaignProgress:
    """Shows seeds done, failures, speed and remaining time; use it as a context."""

    def __init__(self, name: str, seeds: int, console: Console | None = None) -> None:
        self._name = name
        self._seeds = seeds
        self._console = console or Console(stderr=True)
        self._done = self._failed = 0
        self._began_s = self._line_s = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._bar = self._progress.add_task(escape(name), total=seeds, told="starting")

    def __enter__(self) -> "CampaignProgress":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def add(self, row: Row) -> None:
        """Count a seed that is done."""
        self._done += 1
        self._failed += row.failed
        if row.failed and self._failed <= TOLD:
            reason = row.reasons[0].text.strip().splitlines()[0]
            self._line(f"{self._name}: seed {row.seed} failed: {reason}")
        now_s = time.monotonic()
        per_s = self._done / max(now_s - self._began_s, 1e-6)
        told = f"{self._failed} failed, {per_s:.2f} seeds/s"
        self._progress.update(self._bar, completed=self._done, told=told)
        if not self._console.is_terminal and now_s - self._line_s >= LINE_S:
            self._line_s = now_s
            left_s = (self._seeds - self._done) / per_s
            of = f"{self._done} of {self._seeds} seeds"
            self._line(f"{self._name}: {of}, {told}, {in_words(left_s)} left")

    def _line(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def in_words(seconds: float) -> str:
    """Time for people: 45 s, 12 min, 2 h 05 min."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60.0)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
