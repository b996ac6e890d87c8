"""The markets by name, in the order in which they are listed."""

import difflib
from typing import Final

from vppd.market.record import AnyMarket
from vppd.market.rules import (
    caiso,
    ce_fcr,
    cn_guangdong,
    cn_hunan_2025,
    cn_jiangsu,
    cn_north_two_rules,
    de_afrr,
    elia_afrr,
    ercot_gredp,
    gb_dc,
    gb_dm,
    gb_dr,
    ieee1547_droop,
    nordic_fcr_d,
    pjm_2012,
    pjm_2025_10,
    zhejiang_field,
)

_MODULES = (
    pjm_2012, pjm_2025_10, caiso, ercot_gredp,
    cn_north_two_rules, cn_guangdong, cn_hunan_2025, cn_jiangsu, zhejiang_field,
    de_afrr, elia_afrr, ce_fcr, gb_dc, gb_dm, gb_dr, nordic_fcr_d, ieee1547_droop,
)  # fmt: skip

MARKETS: Final[dict[str, AnyMarket]] = {module.MARKET.name: module.MARKET for module in _MODULES}


class UnknownMarketError(ValueError):
    """A market that nobody has the rules of."""


def market(name: str) -> AnyMarket:
    """Give a market by its name. Raises UnknownMarketError, with names that are near."""
    if name in MARKETS:
        return MARKETS[name]
    near = difflib.get_close_matches(name, MARKETS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`--market list` names all"
    raise UnknownMarketError(f"no market {name!r}: {hint}")
