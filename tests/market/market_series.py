"""Series for the tests of the markets: made by hand, and recorded ones where they are."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from vppd.market.parameters import rules_from
from vppd.market.record import Form, Scored, Series
from vppd.market.registry import market

DATA = Path(__file__).parents[3] / "shared" / "data"
GOLDEN = DATA / "scoring" / "reference_scores.json"


def golden(name: str) -> dict:
    if not GOLDEN.exists():
        pytest.skip(f"reference scores absent: {GOLDEN}")
    return json.loads(GOLDEN.read_text())[name]


def recorded(path: str, column: str) -> np.ndarray:
    """A column of a recorded file; its comments are passed over."""
    file = DATA / path
    if not file.exists():
        pytest.skip(f"recorded series absent: {file}")
    with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        return np.array([float(row[column]) for row in rows])


def score(name: str, series: Series, **parameters: object) -> Scored:
    rules = market(name)
    return rules.score(series, rules_from(rules, [f"{k}={v}" for k, v in parameters.items()]))


def answering(asked: np.ndarray, response_mw: np.ndarray, step_s: float, form: Form) -> Series:
    """A series that begins at 0 s."""
    t_s = np.round(step_s * np.arange(asked.size), 9)
    if form is Form.FREQUENCY:
        return Series(t_s, response_mw, frequency_hz=asked)
    return Series(t_s, response_mw, signal_mw=asked)


def tracking(signal_mw: np.ndarray, response_mw: np.ndarray, step_s: float) -> Series:
    return answering(signal_mw, response_mw, step_s, Form.REGULATION)


def delayed(values: np.ndarray, samples: int) -> np.ndarray:
    """The same, later; the first value holds before."""
    return np.concatenate((np.full(samples, values[0]), values[: values.size - samples]))


def limited(wanted: np.ndarray, rate: float) -> np.ndarray:
    """Follow by `rate` a sample at most, from 0."""
    out, last = [], 0.0
    for value in wanted.tolist():
        last += min(max(value - last, -rate), rate)
        out.append(last)
    return np.array(out)
