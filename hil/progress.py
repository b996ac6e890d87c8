"""How far a run in virtual time is: a bar on a terminal, a few lines elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

LINES = 4  # without a terminal


class VirtualProgress:
    """Shows the virtual time of a run and its speed; use it as a context."""

    def __init__(self, name: str, duration_s: float, console: Console | None = None) -> None:
        self._name = name
        self._duration_s = duration_s
        self._console = console or Console(stderr=True)
        self._told = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._bar = self._progress.add_task(name, total=duration_s, speed="")

    def __enter__(self) -> "VirtualProgress":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def update(self, t_s: float, speed: float) -> None:
        """Show `t_s` seconds since t0, and how many times faster than real it goes."""
        t_s = min(max(0.0, t_s), self._duration_s)  # before t0 it is nan, which max() drops
        pace = f"{speed:.{0 if speed >= 10.0 else 1}f} × real time"
        self._progress.update(self._bar, completed=t_s, speed=pace)
        part = int(LINES * t_s / self._duration_s)
        if not self._console.is_terminal and part > self._told:
            self._told = part
            self._console.print(
                f"{self._name}: {t_s:.0f} of {self._duration_s:g} s, {pace}",
                highlight=False,
                soft_wrap=True,
            )


class BoundProgress:
    """Shows how far the oracle is; use it as a context. Silent without a terminal."""

    def __init__(self, name: str, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._name = name
        self._bar = self._progress.add_task(name, total=1.0)

    def __enter__(self) -> "BoundProgress":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def update(self, share: float, doing: str) -> None:
        """Show the share done, and what is being done."""
        self._progress.update(self._bar, completed=share, description=f"{self._name}: {doing}")
