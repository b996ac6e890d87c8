"""What the TSO sends."""

from dataclasses import dataclass

from hil.records import ruled


@dataclass(frozen=True, slots=True)
class SignalSource:
    """What the TSO sends: the synthesised signal, steps, or a column of a file."""

    kind: str = ruled("regd", choices=("regd", "steps", "file"))
    interval_s: float = ruled(2.0, minimum=0.1, maximum=600.0)
    file: str | None = None  # CSV or CSV.gz with a column t_s
    column: str | None = None
    select: bool = False  # select before operate, instead of direct operate
    repeat_s: float | None = ruled(None, minimum=1.0, maximum=1e7)  # then it begins anew
    steps: tuple[tuple[float, float], ...] = ruled((), minimum=-1e6, maximum=1e6)  # [t_s, pu]

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        if self.kind == "file" and not (self.file and self.column):
            return [("file", "a signal of kind file needs file and column")]
        if self.kind == "steps" and not self.steps:
            return [("steps", "a signal of kind steps needs its steps")]
        return []
