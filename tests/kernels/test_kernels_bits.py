"""The bits that each kernel gives are those that stand in `tests/testdata/kernels_bits.json`.

Journals are replayed bit by bit, those of an older version too. So a change that moves a bit is a
change of the journal: it needs a line in CHANGES.md, and `python tests/kernels/kernels_bits.py`,
which writes the file anew.
"""

import json

import kernels_bits
import pytest

KNOWN = json.loads(kernels_bits.FILE.read_text())


@pytest.mark.parametrize("name", [name for name in kernels_bits.PARTS if name != "drawn"])
def test_every_bit_is_as_it_was(name):
    if kernels_bits.digest("drawn") != KNOWN["drawn"]:
        pytest.skip("numpy or the C library of this machine draws other numbers")
    assert kernels_bits.digest(name) == KNOWN[name]


def test_the_file_has_every_part_and_no_other():
    assert list(KNOWN) == list(kernels_bits.PARTS)
