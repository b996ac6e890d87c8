"""Rules of participation, unit by unit, against the same rules over whole arrays."""

import kernels_taking_part as who
import numpy as np
import participation_reference as reference
import pytest
from kernels_participation_cases import plant

from vppd.core.participation import has_good_reading
from vppd.core.types import Mode, Quality, Reason, WriteResult
from vppd.kernels import participation as kernel

SEEDS = range(25)


def test_numbers_are_those_of_the_core():
    for name in ("TELEMETRY_AGE", "UNREACHABLE", "FALLBACK", "OPERATOR", "LOCAL_CONTROL"):
        assert int(getattr(kernel, name)) == Reason[name]
    assert int(kernel.REFUSED) == Reason.REFUSED
    assert int(kernel.IN_SPLIT) == Reason.NONE
    assert int(kernel.ONLINE) == Quality.ONLINE
    assert int(kernel.REFUSED_WRITE) == WriteResult.REFUSED
    assert int(kernel.UNKNOWN_WRITE) == WriteResult.UNKNOWN


@pytest.mark.parametrize("seed", SEEDS)
def test_each_rule_gives_what_it_gives_over_whole_arrays(seed):
    before, image, params = plant(seed)
    reason, adrift, last_mw = who.who_takes_part(before, image, params)
    np.testing.assert_array_equal(reason, reference.out_of_split(image, params))
    good = has_good_reading(image, params)
    np.testing.assert_array_equal(good != 0, reference.has_good_reading(image, params))
    np.testing.assert_array_equal(adrift != 0, reference.is_adrift(image, params))
    again_mw = reference.last_setpoints_mw(before, image, params, reason, adrift != 0)
    assert last_mw.tobytes() == again_mw.tobytes()
    for any_reason in (reason, before.out_reason):
        given = last_mw, image, params
        counted_mw = who.counted_mw(any_reason, *given)
        assert counted_mw.tobytes() == reference.counted_mw(any_reason, *given).tobytes()
        again = reference.takes_setpoints(any_reason, adrift != 0, image)
        for mode in (Mode.SAFE, Mode.REGULATING):
            told_mw, takes = who.pinned_mw(mode, any_reason, adrift, *given, 0.7)
            np.testing.assert_array_equal(takes, again)
            again_mw = reference.pinned_mw(mode, any_reason, adrift != 0, *given, 0.7)
            assert told_mw.tobytes() == again_mw.tobytes()
