"""Registers of SunSpec devices, typed by hand from docs/points.md and the SunSpec models.

Positions are worked out here once more: no offset comes from `vppd` or from pysunspec2.
"""

BASE = 40000
W, W_SF = 40070 + 10, 40070 + 116  # model 701
ST, CONN_ST = 40070 + 3, 40070 + 5
WMAX_RTG, WMAX, W_SF_702 = 40225 + 2, 40225 + 26, 40225 + 45
LIM_ENA, LIM_PCT, LIM_RVRT, LIM_ENA_RVRT, LIM_TMS = (40277 + n for n in (14, 15, 16, 17, 18))
LIM_SF = 40277 + 54
SET_ENA, SET_MOD, SET, SET_RVRT, SET_PCT, SET_PCT_RVRT, SET_ENA_RVRT, SET_TMS = (
    40277 + n for n in (22, 23, 24, 26, 28, 29, 30, 31)
)
SET_SF = 40277 + 55
SOC, PCT_SF = 40344 + 4, 40344 + 8  # model 713 of the battery
BATTERY_CONTROL, BATTERY_HEARTBEAT = 40353 + 2, 40353 + 5
BANK = 40353  # model 802, where a battery has one; model 715 is behind it then
WCHA, WDIS, WCHA_WDIS_SF = BANK + 4, BANK + 5, BANK + 54
DC_V, DC_V_SF, ACHA, ADIS, ACHA_ADIS_SF = (BANK + n for n in (34, 59, 45, 46, 62))
PV_CONTROL, W_AVAIL = 40344 + 2, 40353 + 2

NONE_16, NONE_U16 = 0x8000, 0xFFFF  # "not implemented", signed and unsigned


def _chain(*models: tuple[int, int]) -> dict[int, int]:
    image = {BASE: 0x5375, BASE + 1: 0x6E53}
    address = BASE + 2
    for model_id, length in (*models, (0xFFFF, 0)):
        image |= {address: model_id, address + 1: length}
        image |= {address + 2 + i: 0 for i in range(length)}
        address += 2 + length
    return image


def _common(rating_kw: int) -> dict[int, int]:
    return {W_SF: 3, ST: 1, CONN_ST: 1, WMAX_RTG: rating_kw, WMAX: rating_kw, W_SF_702: 3}


def battery_image(rating_kw: int = 4000) -> dict[int, int]:
    """A battery that stands still at half charge, without a setpoint."""
    image = _chain((1, 66), (701, 153), (702, 50), (704, 65), (713, 7), (715, 7))
    return (
        image
        | _common(rating_kw)
        | {
            SET_SF: 2,
            SET_PCT: 123,
            SET_PCT_RVRT: NONE_16,
            SOC: 5000,
            PCT_SF: 0x10000 - 2,
            BATTERY_CONTROL: 0,
        }
    )


def banked_image() -> dict[int, int]:
    """A battery of 4 MW that tells its DC side: 3,920 kW in, 4,080 kW out, nothing limits them."""
    image = _chain((1, 66), (701, 153), (702, 50), (704, 65), (713, 7), (802, 62), (715, 7))
    return (
        image
        | _common(4000)
        | {SET_SF: 2, SOC: 5000, PCT_SF: 0x10000 - 2, WCHA: 3920, WDIS: 4080, WCHA_WDIS_SF: 3}
        | {DC_V: 13312, DC_V_SF: 0x10000 - 1, ACHA_ADIS_SF: 0x10000 - 1}  # 0.1 V, 0.1 A
        | {ACHA: 29447, ADIS: 30649}  # rounded down: up to 133 W short of the nameplate
    )


def pv_image(rating_kw: int = 1100) -> dict[int, int]:
    """A PV plant without a limit, with 900 kW of sun."""
    image = _chain((1, 66), (701, 153), (702, 50), (704, 65), (715, 7), (64901, 2))
    return (
        image
        | _common(rating_kw)
        | {
            W: 900,
            LIM_SF: 0x10000 - 2,
            PV_CONTROL: 0,
            W_AVAIL: 900_000 >> 16,
            W_AVAIL + 1: 900_000 & 0xFFFF,
        }
    )
