"""Digests of what each kernel gives on small seeded problems. As a program: writes them anew."""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import kernels_participation_cases
import kernels_response
import kernels_trust
import numpy as np
from kernels_ahead import FAMILIES as AHEAD_FAMILIES
from kernels_ahead import solve
from kernels_headroom_cases import lasts, promised, random_unit
from kernels_limits_cases import guard, random_fleet
from kernels_problems import FAMILIES
from kernels_sides import alike, in_a_tick, sided

from vppd.kernels.certificate import kkt_violation_mw
from vppd.kernels.exact import split_exact
from vppd.kernels.limits import find_holders
from vppd.kernels.merit_order import split_merit_order
from vppd.kernels.pro_rata import split_pro_rata
from vppd.kernels.sums import sum_in_order
from vppd.kernels.tally import count_known, tally
from vppd.kernels.tree import OWN, ROOM_ROWS, project_tree

FILE = Path(__file__).parents[1] / "testdata" / "kernels_bits.json"
Values = Iterator[object]


def _problems(k: int):
    """One of each family; some longer than a block of 64."""
    for f, family in enumerate(FAMILIES):
        n = (1, 2, 7, 40, 70, 130)[(f + k) % 6]
        yield family(np.random.default_rng([k, f]), n)


def _exact(k: int) -> Values:
    for p in _problems(k):
        for lam0 in (math.nan, 0.3):
            out = np.zeros(p.target_mw.size)
            yield split_exact(p.request_mw, *p.arrays, lam0, out)
            yield out


def _exact_long(k: int) -> Values:
    """So many units that the price is first looked for on a sample of them."""
    p = FAMILIES[k % len(FAMILIES)](np.random.default_rng(k), 4200 + k)
    out = np.zeros(p.target_mw.size)
    yield split_exact(p.request_mw, *p.arrays, math.nan, out)
    yield out


def _certificate(k: int) -> Values:
    for p in _problems(k):
        out = np.clip(p.target_mw, p.lower_mw, p.upper_mw)
        yield kkt_violation_mw(p.request_mw, *p.arrays, 0.2, out)
        yield sum_in_order(out)


def _policies(k: int) -> Values:
    for p in _problems(k):
        out, limits = np.zeros(p.target_mw.size), (p.lower_mw, p.upper_mw)
        yield split_pro_rata(p.request_mw, p.target_mw, *limits, out)
        yield out
        order = np.argsort(p.weight, kind="stable")
        yield split_merit_order(p.request_mw, p.target_mw, order, *limits, out)
        yield out


def _ahead(k: int) -> Values:
    for f, family in enumerate(AHEAD_FAMILIES):
        n = (3, 9, 30, 70, 131)[(f + k) % 5]
        p = family(np.random.default_rng([k, f]), n)
        first = solve(p)
        yield from vars(first).values()
        moved = p.wanted_mw + 1e-3 * p.fleet_mw
        yield from vars(solve(type(p)(p.name, moved, *p.arguments[1:]), first.price)).values()


# Family and seed of problems whose weights are far apart, so that rounding is worth polishing.
WIDE = ((0, 6), (0, 10), (2, 36), (2, 42), (2, 43))


def _ahead_hard(k: int) -> Values:
    """Weights over ten decades; requests beyond the fleet, and on the very edge of it."""
    f, seed = WIDE[k]
    wide = AHEAD_FAMILIES[f](np.random.default_rng([seed, f, 9]), (3, 9, 30)[seed % 3])
    yield from vars(solve(replace(wide, weight=wide.weight**5))).values()
    for f in (k % 2, 2 + k % 2):
        p = AHEAD_FAMILIES[f](np.random.default_rng([k, f, 9]), (3, 9, 20)[(f + k) % 3])
        far = replace(p, wanted_mw=np.where(p.hard, (-1.0) ** k * 10.0 * p.fleet_mw, p.wanted_mw))
        most = solve(far)
        yield from vars(most).values()
        if (k, f) == (2, 2):
            continue  # 800 rounds
        edge = np.where(p.hard, p.gain @ most.out_mw, p.wanted_mw)
        yield from vars(solve(replace(p, wanted_mw=edge))).values()
        yield from vars(solve(replace(p, wanted_mw=edge), most.price)).values()


def _tree(k: int) -> Values:
    for f, family in enumerate(AHEAD_FAMILIES):
        n = (3, 9, 30, 70, 131)[(f + k) % 5]
        p = family(np.random.default_rng([k, f]), n)
        groups = p.parent.size
        outs = [np.zeros(n) for n in (n, groups, groups)]
        room = np.zeros((ROOM_ROWS, groups))
        yield project_tree(*p.arguments[3:], *outs, room)
        yield from outs
        # once more, from the multipliers that it left, with another one that is none
        if groups:
            room[OWN, 0] = np.nan
        moved = replace(p, target_mw=p.target_mw + 0.1 * p.upper_mw)
        yield project_tree(*moved.arguments[3:], *outs, room)
        yield from outs


def _limits(k: int) -> Values:
    fleet = random_fleet(np.random.default_rng(k), 30)
    box = fleet.fold()
    yield from box.arrays
    yield from guard(fleet, box.upper_mw)
    yield from guard(fleet, box.lower_mw + 0.1)
    held = np.empty(30, dtype=np.uint8)
    for p_mw in (box.lower_mw, box.upper_mw, 0.5 * (box.lower_mw + box.upper_mw)):
        yield find_holders(p_mw, *box.arrays[1:5], held)
        yield held


def _headroom(k: int) -> Values:
    rng = np.random.default_rng(k)
    units = [random_unit(rng) for _ in range(30)]
    yield from promised(*units).values()
    groups = {
        "member": rng.integers(-1, 4, 30), "parent": [-1, 0, 0, 2],
        "lower_mw": -20.0 * rng.random(4), "upper_mw": 20.0 * rng.random(4),
    }  # fmt: skip
    yield from promised(*units, groups=groups).values()
    yield from lasts(*units)


def _sides(k: int) -> Values:
    rng = np.random.default_rng(k)
    yield from sided(rng, 3 + k, k).choose()
    yield from alike(rng, 5 + k).choose()
    yield from sided(rng, 30, 10).choose()
    yield from in_a_tick(rng, 40)


def _tally(k: int) -> Values:
    rng = np.random.default_rng(k)
    low, p, high = np.sort(rng.normal(size=(3, 40)), axis=0)
    reasons = rng.integers(0, 3, (2, 40)).astype(np.uint8)
    yield tally(p, low, high, low - 1.0, high + 1.0, *reasons)
    yield count_known(np.where(rng.random(40) < 0.3, np.nan, p))


def _drawn(k: int) -> Values:
    """Numbers that the problems are made of: some of them rest on the C library's exp and log."""
    rng = np.random.default_rng(k)
    yield from (rng.normal(size=500), rng.lognormal(size=500), rng.exponential(size=500))
    yield from (rng.random(500), rng.integers(0, 9, 500), rng.permutation(50))
    yield 10.0 ** rng.uniform(-8.0, 8.0, 500)


def _trust(k: int) -> Values:
    rng = np.random.default_rng(k)
    yield from kernels_trust.in_a_tick(rng, 60)


PARTS = {
    "drawn": _drawn,
    "exact": _exact,
    "exact_long": _exact_long,
    "certificate": _certificate,
    "policies": _policies,
    "ahead": _ahead,
    "ahead_hard": _ahead_hard,
    "tree": _tree,
    "limits": _limits,
    "headroom": _headroom,
    "response": lambda k: kernels_response.outputs(np.random.default_rng(k)),
    "participation": kernels_participation_cases.outputs,
    "sides": _sides,
    "trust": _trust,
    "tally": _tally,
}


def digest(name: str) -> str:
    """First 16 characters of SHA-256 over what a part gives for five seeds."""
    seen = hashlib.sha256()
    for k in range(5):
        for value in PARTS[name](k):
            seen.update(np.asarray(value).tobytes())
    return seen.hexdigest()[:16]


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: digest(name) for name in PARTS}, indent=1) + "\n")
