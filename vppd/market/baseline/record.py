"""The records of a baseline: a customer's history by local days, an event, and the answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from vppd.market.record import Confidence

F8 = NDArray[np.float64]
R = TypeVar("R")


class BaselineError(ValueError):
    """A baseline that cannot be computed: what is missing, and where."""


@dataclass(frozen=True, slots=True)
class History:
    """Mean power by interval, in local days one after the other. Arrays have shape (days, k).

    A value that is not known is NaN, never 0: also the hour that the clock leaves out in spring,
    and the one that it goes through twice in autumn.
    """

    first: date
    p_mw: F8
    nominated_mw: F8 | None = None  # what was announced for the interval
    ahead_s: F8 | None = None  # how long before its begin that was

    def __post_init__(self) -> None:
        if self.p_mw.ndim != 2 or not self.p_mw.size or 86400 % self.p_mw.shape[1]:
            raise BaselineError(
                f"a history has days of equal intervals of whole seconds, not {self.p_mw.shape}"
            )
        for column in (self.nominated_mw, self.ahead_s):
            if column is not None and column.shape != self.p_mw.shape:
                raise BaselineError(f"columns of one shape, not {column.shape}, {self.p_mw.shape}")

    @property
    def per_day(self) -> int:
        """Intervals a day."""
        return int(self.p_mw.shape[1])

    @property
    def step_s(self) -> int:
        """Length of an interval, s."""
        return 86400 // self.per_day

    @property
    def days(self) -> tuple[date, ...]:
        """Its days, oldest first."""
        return tuple(self.first + timedelta(days=k) for k in range(self.p_mw.shape[0]))

    def window(self, day: date, first: int, count: int) -> F8:
        """Powers of `count` intervals from the `first` of a day on; shape (count,), MW.

        `first` may be negative: the evening before. Outside of the history is NaN.
        """
        return self._cut(self.p_mw, day, first, count)

    def nominated(self, day: date, first: int, count: int) -> tuple[F8, F8]:
        """Announced powers, MW, and how long ahead they were, s. Shapes (count,)."""
        if self.nominated_mw is None or self.ahead_s is None:
            raise BaselineError("nothing was nominated: there is no nominated_mw with its instants")
        return (
            self._cut(self.nominated_mw, day, first, count),
            self._cut(self.ahead_s, day, first, count),
        )

    def _cut(self, column: F8, day: date, first: int, count: int) -> F8:
        flat = column.reshape(-1)
        at = (day - self.first).days * self.per_day + first + np.arange(count)
        inside = (at >= 0) & (at < flat.size)
        return np.where(inside, flat[np.clip(at, 0, flat.size - 1)], np.nan)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days that are not like others."""

    holidays: frozenset[date] = frozenset()
    events: frozenset[date] = frozenset()  # the customer was called on these days
    excluded: frozenset[date] = frozenset()  # an outage, a day without a meter


@dataclass(frozen=True, slots=True)
class Event:
    """Intervals `first` up to, not including, `stop` of a day."""

    day: date
    first: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.stop:
            raise BaselineError(f"an event of intervals {self.first} to {self.stop} is none")

    @property
    def count(self) -> int:
        """Number of intervals."""
        return self.stop - self.first


@dataclass(frozen=True, slots=True)
class Baseline:
    """The answer for one event. Arrays have one value an interval of it, MW."""

    p_mw: F8
    unadjusted_mw: F8
    days: tuple[date, ...] = ()  # that it is the mean of, newest first
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Method(Generic[R]):
    """One way to a baseline."""

    name: str
    title: str
    formula: str
    source: str
    confidence: Confidence
    rules: type[R]  # frozen dataclass: the parameters, each with a default
    compute: Callable[[History, Calendar, Event, R], Baseline]
    needs: tuple[str, ...] = ()


AnyMethod = Method[Any]
