"""The columns of a settlement: names, kinds, meaning. The table of `docs/settlement.md`."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """What a column holds."""

    INSTANT = "instant, UTC"
    TEXT = "text"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. What is not known, or not told of a row, is empty (null), and never 0."""

    name: str
    kind: Kind
    about: str
    digits: int = 0  # after the point, of a number


ENERGY_DIGITS: Final = 9  # of MWh: a thousandth of a Wh
POWER_DIGITS: Final = 6
AMOUNT_DIGITS: Final = 6
TIME_DIGITS: Final = 3

COLUMNS: Final = (
    Column("since_utc", Kind.INSTANT, "begin of the interval"),
    Column("until_utc", Kind.INSTANT, "its end, which belongs to the next"),
    Column("level", Kind.TEXT, "`unit`, `plant` (the sum of its units), or `total`: the plant over"
           " all intervals, one row at the end"),
    Column("unit", Kind.TEXT, "of level `unit`: its id"),
    Column("market", Kind.TEXT, "name of the rules"),
    Column("metered_mwh", Kind.NUMBER, "energy by the meters' counters, else by the readings;"
           " generation positive", ENERGY_DIGITS),
    Column("baseline_mwh", Kind.NUMBER, "energy of the basepoints in force", ENERGY_DIGITS),
    Column("regulation_mwh", Kind.NUMBER, "energy of regulation", ENERGY_DIGITS),
    Column("droop_mwh", Kind.NUMBER, "energy of the answer to frequency", ENERGY_DIGITS),
    Column("requested_mwh", Kind.NUMBER, "plant, total: what the product asked for: AGC × capacity"
           " sold, held from when it came; for a frequency product what the droop gave for the"
           " frequency received", ENERGY_DIGITS),
    Column("capacity_up_mw", Kind.NUMBER, "plant, total: regulation sold, mean over time",
           POWER_DIGITS),
    Column("capacity_down_mw", Kind.NUMBER, "plant, total: the same downward", POWER_DIGITS),
    Column("mileage_mw", Kind.NUMBER, "plant, total: sum of the changes of AGC × capacity sold"
           " that came within the interval", POWER_DIGITS),
    Column("performance_name", Kind.TEXT, "plant, total: which figure of the market is meant"),
    Column("performance", Kind.NUMBER, "plant, total: that figure", POWER_DIGITS),
    Column("amount", Kind.NUMBER, "plant, total: what the market pays for the product",
           AMOUNT_DIGITS),
    Column("energy_amount", Kind.NUMBER, "(metered − baseline) × the price of energy",
           AMOUNT_DIGITS),
    Column("currency", Kind.TEXT, "of the amounts"),
    Column("counted_unit_s", Kind.NUMBER, "unit-seconds of which the energy is a difference of the"
           " unit's own counter", TIME_DIGITS),
    Column("estimated_unit_s", Kind.NUMBER, "unit-seconds without a counter, and without a reading"
           " for longer than the unit's may be old: what the daemon counted it with, or a straight"
           " line, stands there",
           TIME_DIGITS),
    Column("figures", Kind.TEXT, "plant, total: every figure of the market, a JSON object"),
)  # fmt: skip

NAMES: Final = tuple(column.name for column in COLUMNS)
