"""The records of a market: what it is given, what it answers, and how its rules are known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
R = TypeVar("R")


class Confidence(Enum):
    """How the formula of a score is known. Its payment may be known less: the module says."""

    CODE = "read in public code that implements the rule"
    STORED = "read in a public source"
    KNOWN = "general knowledge that no source at hand confirmed: check before money depends on it"


class Form(Enum):
    """What `signal_mw` and `response_mw` of a market are."""

    REGULATION = "MW around the basepoint"
    OUTPUT = "MW of the whole plant"
    FREQUENCY = "MW around the baseline, answering frequency_hz"


@dataclass(frozen=True, slots=True)
class Series:
    """What is scored. All columns have one shape (n,); generation is positive.

    `signal_mw` is None for a frequency product, `frequency_hz` for any other.
    """

    t_s: F8
    response_mw: F8
    signal_mw: F8 | None = None
    frequency_hz: F8 | None = None
    unfinished: bool = False  # an interval that runs: it is scored as far as it goes

    def columns(self) -> dict[str, F8]:
        """The columns that are there, by name."""
        named = {
            "t_s": self.t_s,
            "signal_mw": self.signal_mw,
            "response_mw": self.response_mw,
            "frequency_hz": self.frequency_hz,
        }
        return {name: column for name, column in named.items() if column is not None}


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval of the market, or one command of it. A figure that there is none of is NaN."""

    since_s: float
    until_s: float
    values: Mapping[str, float]
    outcome: str = ""  # of a command: what became of it


@dataclass(frozen=True, slots=True)
class Scored:
    """The answer of a market: figures over the whole series, and interval by interval."""

    score: Mapping[str, float]
    intervals: tuple[Interval, ...]
    passed: Mapping[str, bool] = field(default_factory=dict)  # by threshold
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Market(Generic[R]):
    """One market under rules that were in force from a date."""

    name: str
    title: str
    since: str  # ISO date or year from which the rules were in force; "" where it is not known
    until: str  # the day they ended; "" for rules in force
    form: Form
    step: str  # what steps of the series it takes
    interval: str
    formula: str
    payment: str
    thresholds: str
    source: str
    confidence: Confidence
    rules: type[R]  # frozen dataclass: the parameters, each with a default or NaN for "to be given"
    needs: tuple[str, ...]  # parameters without which nothing can be scored
    score: Callable[[Series, R], Scored]
    live_s: float = 900.0  # what is scored together while it runs: from whole multiples of it, UTC


AnyMarket = Market[Any]
