"""A file of prices: when each begins to hold, and parameters of the market by name.

CSV: `since_utc`, an ISO instant with its offset; then any of the market's parameters that are
prices, and `energy_EUR_per_mwh` (or another currency) for energy beside the baseline. A row holds
until the next. `#` comments.
"""

import csv
import dataclasses
import math
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from vppd.market.record import AnyMarket
from vppd.market.settlement.record import Prices

ENERGY: Final = re.compile(r"energy_([a-zA-Z]{3})_per_mwh")
MORE_NAMES: Final = ("mileage_average_mw", "mileage_ratio")  # that change like prices do


class PricesError(ValueError):
    """A file that is no list of prices of this market."""


def price_names(market: AnyMarket) -> tuple[str, ...]:
    """Parameters of a market that a file of prices may give."""
    names = [field.name for field in dataclasses.fields(market.rules)]
    return tuple(name for name in names if "_per_mw" in name or name in MORE_NAMES)


def read_prices(path: Path, market: AnyMarket) -> Prices:
    """Read a file of prices.

    Raises
    ------
    PricesError
        A column that is no price of the market, a cell that is no number, times that do not rise.
    OSError
        The file cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(line for line in file if not line.startswith("#"))
            rows = list(table)
    except (UnicodeDecodeError, csv.Error) as error:
        raise PricesError(f"{path}: no CSV: {error}") from error
    names = list(table.fieldnames or ())
    energy = [name for name in names if ENERGY.fullmatch(name)]
    _check_names(path, market, names, energy)
    if not rows:
        raise PricesError(f"{path}: no row")
    t_s = np.asarray([_instant(path, row) for row in rows])
    if not (np.diff(t_s) > 0.0).all():
        raise PricesError(f"{path}: since_utc does not rise")
    of_market = [name for name in names if name != "since_utc" and name not in energy]
    return Prices(
        t_s,
        tuple({name: _number(path, row, name) for name in of_market} for row in rows),
        tuple(_number(path, row, energy[0]) if energy else math.nan for row in rows),
        energy[0].split("_")[1].upper() if energy else "",
    )


def _check_names(path: Path, market: AnyMarket, names: list[str], energy: list[str]) -> None:
    known = price_names(market)
    unknown = [n for n in names if n not in known and n not in energy and n != "since_utc"]
    if "since_utc" not in names or unknown or len(energy) > 1 or len(set(names)) < len(names):
        wrong = f", not {', '.join(unknown)}" if unknown else ""
        raise PricesError(
            f"{path}: the columns of prices of {market.name} are since_utc, {', '.join(known)}"
            f" and one energy_CURRENCY_per_mwh{wrong}"
        )


def _instant(path: Path, row: Mapping[str, str]) -> float:
    text = row["since_utc"]
    try:
        at = datetime.fromisoformat(text.strip())
    except (ValueError, AttributeError) as error:
        raise PricesError(f"{path}: {text!r} is no instant") from error
    if at.tzinfo is None:
        raise PricesError(f"{path}: {text!r} has no offset: write Z for UTC")
    return at.timestamp()


def _number(path: Path, row: Mapping[str, str], name: str) -> float:
    try:
        value = float(row[name])
    except (ValueError, TypeError) as error:
        raise PricesError(f"{path}: {name} of {row['since_utc']} is no number") from error
    if not math.isfinite(value):
        raise PricesError(f"{path}: {name} of {row['since_utc']} is not finite")
    return value
