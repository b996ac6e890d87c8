"""What the tick decides, bit by bit, is what stands in `tests/testdata/core_bits.json`.

Journals are replayed bit by bit, those of an older version too. So a change that moves a bit is a
change of the journal: it needs a line in CHANGES.md, and `python tests/core/core_bits.py`, which
writes the file anew.
"""

import json

import core_bits
import numpy as np
import pytest

WHY = json.loads(core_bits.WHY_FILE.read_text())
KNOWN = json.loads(core_bits.FILE.read_text())


@pytest.mark.parametrize("name", core_bits.PLANTS)
def test_every_bit_is_as_it_was(name):
    assert core_bits.digest(name) == KNOWN[name]


@pytest.mark.parametrize("name", core_bits.PLANTS)
def test_every_unit_has_its_setpoint_for_the_reason_that_it_had(name):
    """To the bit, too: a change of it is a change of what engineers have been told."""
    assert core_bits.digest_of_why(name) == WHY[name]


def test_the_file_has_every_plant_and_no_other():
    assert list(KNOWN) == list(WHY) == list(core_bits.PLANTS)


def test_the_runs_have_everything():
    """Else their bits would say little: modes, reasons, verdicts and events that came up."""
    states, decisions = [], []
    for make, policy in core_bits.PLANTS.values():
        for seed in range(3):
            for state, decision in core_bits.runs(make(policy), np.random.default_rng(seed)):
                states.append(state)
                decisions.append(decision)
    assert {d.mode for d in decisions} >= {0, 1, 2, 3, 4, 5, 6}
    assert {r for d in decisions for r in d.held_by.tolist()} >= {
        0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16, 17,
    }  # fmt: skip
    assert {c for d in decisions for c in d.event_code.tolist()} >= {1, 2, 3, 4, 5, 6, 9}
    assert {d.verdict for d in decisions} >= {0, 1, 2, 3, 6}
    assert {s.unserved for s in states} == {-1, 0, 1}
