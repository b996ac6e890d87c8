"""Outputs of the kernels that split a request, on seeded inputs. Also a program: their digest.

It imports no other kernel, so that it is soon compiled for another processor.
"""

import hashlib
import math
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))

from kernels_problems import FAMILIES

from vppd.kernels.certificate import kkt_violation_mw
from vppd.kernels.exact import split_exact
from vppd.kernels.merit_order import split_merit_order
from vppd.kernels.pro_rata import split_pro_rata
from vppd.kernels.sums import sum_in_order


def add_splits(add: Callable[..., None]) -> None:
    """Hand on all outputs. Inputs are read-only half of the time, as in replay."""
    for k in range(88):
        family = FAMILIES[k % len(FAMILIES)]
        n = 4200 if k == 0 else 1 + 3 * k
        p = family(np.random.default_rng(k), n)
        for a in p.arrays:
            a.setflags(write=k % 2 == 0)
        for lam0 in (math.nan, 0.3):
            out = np.zeros(n)
            add(split_exact(p.request_mw, *p.arrays, lam0, out), out)
        add(kkt_violation_mw(p.request_mw, *p.arrays, 0.2, out), sum_in_order(out))
        limits = (p.lower_mw, p.upper_mw)
        add(split_pro_rata(p.request_mw, p.target_mw, *limits, out), out)
        order = np.argsort(p.weight, kind="stable")
        add(split_merit_order(p.request_mw, p.target_mw, order, *limits, out), out)


def digest_of(hand_on: Callable[[Callable[..., None]], None]) -> str:
    """SHA-256 of all that `hand_on` gives to the function that it is given."""
    seen = hashlib.sha256()

    def add(*values: object) -> None:
        for value in values:
            seen.update(np.asarray(value).tobytes())

    hand_on(add)
    return seen.hexdigest()


@cache
def digest() -> str:
    """SHA-256 of all outputs."""
    return digest_of(add_splits)


if __name__ == "__main__":
    print(digest())
