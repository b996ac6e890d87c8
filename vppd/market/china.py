"""China's "two detailed rules" for AGC units, north China form: K1 rate, K2 accuracy, K3 response.

Source
------
[C] formulas and constants as read in public code that implements the rule: standard rate
    1.5 % of Pn per minute, allowed error 1 % of Pn, standard response 60 s, both dead bands 1 % of
    Pn, floor .1, scan 5 s, a new command at a change of 5 MW or 2 % of Pn, daily means capped at
    1.5, pay D (ln Kp + 1) 5 CNY/MW.
[K] whether "5 MW or 2 %" means the smaller one (taken here), and that the clock of a command
    starts when it was sent and not at the scan that finds it (taken here: the stricter).

The code reads T1 and T2 off its samples; here both are interpolated, so that a plant that is
faster than a sample divides by no zero. Feed it a trace of 0.1 s or finer.
"""

from collections import Counter
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from vppd.market import answers
from vppd.market.answers import Outcome

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChinaRules:
    """Parameters of the rule; percentages are of rated power Pn."""

    rate_pct_per_min: float = 1.5
    error_pct: float = 1.0
    response_s: float = 60.0
    response_band_pct: float = 1.0
    target_band_pct: float = 1.0
    command_mw: float = 5.0
    command_pct: float = 2.0
    scan_s: float = 5.0
    floor: float = 0.1
    mean_cap: float = 1.5
    price_cny_per_mw: float = 5.0

    def command_min_mw(self, rated_mw: float) -> float:
        """Smallest change that counts as a new command, MW."""
        return min(self.command_mw, self.command_pct / 100.0 * rated_mw)


RULES = ChinaRules()


@dataclass(frozen=True, slots=True)
class Command:
    """One AGC command and, if it is valid, how it was answered. NaN where it is not."""

    outcome: Outcome
    t0_s: float
    t3_s: float  # next command, or end of the trace
    p0_mw: float
    p_cmd_mw: float
    t1_s: float = np.nan  # left the response dead band
    t2_s: float = np.nan  # entered the target dead band
    rate_mw_per_min: float = np.nan
    error_mw: float = np.nan  # mean |P - P_cmd| over T2 to T3
    k1: float = np.nan
    k2: float = np.nan
    k3: float = np.nan

    @property
    def kp(self) -> float:
        """K1 K2 K3."""
        return self.k1 * self.k2 * self.k3

    @property
    def way_mw(self) -> float:
        """D of the pay, MW: how far the plant was asked to go, and went."""
        return abs(self.p_cmd_mw - self.p0_mw) if self.outcome is Outcome.VALID else 0.0


@dataclass(frozen=True, slots=True)
class ChinaScore:
    """Means over the valid commands; the K capped, `kp` their product."""

    k1: float
    k2: float
    k3: float
    kp: float
    rate_mw_per_min: float  # regulation rate: mean of |P2 - P1| / (T2 - T1)
    regulation_accuracy_pct: float  # 100 (1 - mean error over T2..T3 / Pn)
    valid: int
    outcomes: dict[str, int]  # all commands by outcome


def new_commands(
    t_s: F8, request_mw: F8, rated_mw: float, rules: ChinaRules = RULES
) -> list[tuple[float, float]]:
    """Commands in a held request, as (T0 s, P_cmd MW), found by scans `scan_s` apart.

    As `answers.new_commands`, with the rule's smallest command.
    """
    return answers.new_commands(t_s, request_mw, rules.command_min_mw(rated_mw), rules.scan_s)


def rate_commands(
    commands: list[tuple[float, float]],
    t_s: F8,
    response_mw: F8,
    rated_mw: float,
    rules: ChinaRules = RULES,
) -> list[Command]:
    """Rate the answer to each command (T0 s, P_cmd MW).

    Parameters
    ----------
    t_s, response_mw : ndarray, shape (n,)
        The plant's power, MW, rising t_s, 0.1 s or finer. Commands outside of it are left out.
    rated_mw : float
        Pn, > 0.
    """
    if not rated_mw > 0.0:
        raise ValueError(f"rated_mw must be above 0 MW, is {rated_mw:g}")
    bands = answers.Bands(
        rules.response_band_pct / 100.0 * rated_mw, rules.target_band_pct / 100.0 * rated_mw
    )
    found = answers.answers(commands, t_s, response_mw, bands)
    return [_rated(answer, rated_mw, rules) for answer in found]


def summarise(rated: list[Command], rated_mw: float, rules: ChinaRules = RULES) -> ChinaScore:
    """Means over the valid commands. Raises ValueError if there is none."""
    valid = [c for c in rated if c.outcome is Outcome.VALID]
    if not valid:
        raise ValueError("no valid command")

    def mean(part: str) -> float:
        return float(np.mean([getattr(c, part) for c in valid]))

    k1, k2, k3 = (min(rules.mean_cap, mean(k)) for k in ("k1", "k2", "k3"))
    return ChinaScore(
        k1,
        k2,
        k3,
        k1 * k2 * k3,
        mean("rate_mw_per_min"),
        100.0 * (1.0 - mean("error_mw") / rated_mw),
        len(valid),
        dict(Counter(c.outcome.value for c in rated)),
    )


def payment_cny(way_mw: float, kp: float, rules: ChinaRules = RULES) -> float:
    """Pay for a way of `way_mw` at a Kp > 0: D (ln Kp + 1) price, not below 0 CNY."""
    return max(0.0, way_mw * (log(kp) + 1.0) * rules.price_cny_per_mw)


def _rated(answer: answers.Answer, rated_mw: float, rules: ChinaRules) -> Command:
    """The three K of an answer, where it came to that."""
    about = (answer.outcome, answer.t0_s, answer.t3_s, answer.p0_mw, answer.p_cmd_mw)
    if answer.outcome is not Outcome.VALID:
        return Command(*about)
    standard_mw_per_min = rules.rate_pct_per_min / 100.0 * rated_mw
    allowed_mw = rules.error_pct / 100.0 * rated_mw
    return Command(
        *about,
        t1_s=answer.t1_s,
        t2_s=answer.t2_s,
        rate_mw_per_min=answer.rate_mw_per_min,
        error_mw=answer.error_mw,
        k1=max(rules.floor, 2.0 - standard_mw_per_min / answer.rate_mw_per_min),
        k2=max(rules.floor, 2.0 - answer.error_mw / allowed_mw),
        k3=max(rules.floor, 2.0 - (answer.t1_s - answer.t0_s) / rules.response_s),
    )
