"""The journal of the reference plant, with its faults and noise, is as small as it has to be."""

import pytest

from hil.scenario import load
from hil.sim.replay import replay
from hil.sim.run import Simulation
from vppd.journal.frames import HEAD_SIZE, Kind
from vppd.journal.scan import SegmentScan, segments

DAY_BYTES, DAY_TICKS = 60e6, 86_400
LEARNING = 60  # ticks


@pytest.mark.timeout(600)
def test_five_minutes_are_written_at_less_than_60_mb_a_day_and_replayed_bit_for_bit(tmp_path):
    simulation = Simulation(load("zhejiang", [("seed", "5"), ("duration_s", "300")]), tmp_path)
    simulation.make()
    journal = simulation.out_dir / "journal"
    (path,) = segments(journal)
    with SegmentScan(path) as scan:
        sizes = [HEAD_SIZE + len(f.payload) for f in scan if f.kind == Kind.TICK]
        once = scan.header.size  # a segment lasts an hour
    assert len(sizes) > 290
    a_tick = sum(sizes[LEARNING:]) / len(sizes[LEARNING:]) + once / 3600
    assert a_tick < DAY_BYTES / DAY_TICKS  # of 210 units, where 200 are asked for
    assert a_tick < 600  # what it was with energy counters, and a tenth; 694 are 60 MB a day
    told = replay(journal)
    assert (told.bit_exact, told.ticks) == (True, len(sizes))
