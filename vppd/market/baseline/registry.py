"""The baselines by name, in the order in which they are listed."""

import difflib
from typing import Final

from vppd.market.baseline import caiso_10_of_10, elia_nomination, meter_before_after, pjm_cbl
from vppd.market.baseline.record import AnyMethod

_MODULES = (pjm_cbl, caiso_10_of_10, meter_before_after, elia_nomination)

METHODS: Final[dict[str, AnyMethod]] = {module.METHOD.name: module.METHOD for module in _MODULES}


class UnknownMethodError(ValueError):
    """A baseline that nobody has the rules of."""


def method(name: str) -> AnyMethod:
    """Give a method by its name. Raises UnknownMethodError, with names that are near."""
    if name in METHODS:
        return METHODS[name]
    near = difflib.get_close_matches(name, METHODS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(METHODS)}"
    raise UnknownMethodError(f"no baseline {name!r}: {hint}")
