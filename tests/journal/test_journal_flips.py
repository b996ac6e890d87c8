"""A sample of what `damage_rig.py` does with every bit (`make accept`)."""

import random
import subprocess
import sys

import damage_rig
import pytest
from damage_rig import Bit, Flipped, Found


@pytest.fixture
def seed():
    seed = random.randrange(2**31)
    print("seed", seed)
    return seed


def test_any_bit_of_a_closed_journal_is_found_by_both(tmp_path, seed):
    damage_rig.small(tmp_path)
    found = Found()
    damage_rig.flip(tmp_path, damage_rig.sampled(tmp_path, random.Random(seed), 300), found)
    assert found.flips == 2 * (76 + 60) + 300
    assert found.undetected == []


def test_any_bit_of_a_large_one_is_found_by_both(tmp_path, seed):
    damage_rig.closed(tmp_path, 60, 200, segment_s=25.0)
    found, rng = Found(), random.Random(seed)
    damage_rig.flip(tmp_path, rng.sample(damage_rig.sampled(tmp_path, rng, 60), 60), found)
    assert (found.flips, found.undetected) == (60, [])


def test_a_start_on_any_damage_loses_nothing_that_holds(tmp_path, seed):
    source = damage_rig.small(tmp_path / "whole")
    work = tmp_path / "work"
    work.mkdir()
    rng, found = random.Random(seed), Found()
    bits = [b for b in damage_rig.every_bit(tmp_path / "whole") if b.path == source]
    damage_rig.recover_each(source, work, rng.sample(bits, 700), found)
    size = source.stat().st_size
    damage_rig.truncate_each(source, work, [*rng.sample(range(size), 400), size - 1], found)
    assert found.mis_recovered == []


def test_the_script_finds_a_flip_in_a_process_of_its_own(tmp_path, seed):
    damage_rig.small(tmp_path)
    rng = random.Random(seed)
    command = [sys.executable, damage_rig.script.__file__, str(tmp_path), damage_rig.KEY.hex()]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    for bit in rng.sample(list(damage_rig.every_bit(tmp_path)), 5):
        with Flipped(bit):
            run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (run.returncode, "DOES NOT HOLD" in run.stderr) == (1, True), bit


def test_a_verifier_that_looks_at_nothing_would_be_found_out(tmp_path, monkeypatch):
    path = damage_rig.small(tmp_path)
    monkeypatch.setattr(damage_rig, "found_by_script", lambda *_: False)
    found = Found()
    damage_rig.flip(tmp_path, [Bit(path, 3, 3)], found)
    assert [said.split(":")[0] for said in found.undetected] == ["script"]
