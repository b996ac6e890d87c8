"""What a killed daemon leaves: whole, or the tick before."""

import dataclasses
import os

import numpy as np
import pytest
from builders import image, params

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.journal.header import About
from vppd.runtime.keepsake import AGE_MAX_S, ATTEMPTS_MAX, FILES, SETTLED_S, Keepsake

ABOUT = About("test", "0123abcd")


class Clock:
    """A clock that the test sets."""

    def __init__(self, now_s=100.0):
        self.now_s = now_s

    def __call__(self):
        return self.now_s


def ticks(p, count):
    """(state after, image) of some ticks."""
    state = initial_state(p)
    for k in range(count):
        inputs = image(len(p.ids), k, 100.0 + k, agc_pu=0.1 * k)
        state, _ = tick(state, inputs, p)
        yield state, inputs


def copies(keepsake):
    """The descriptors as the manager hands them to the next process."""
    return [os.dup(fd) for fd in keepsake.fds]


@pytest.fixture
def kept():
    """A keepsake with five ticks in it: (keepsake, params, the ticks)."""
    p = params(4)
    keepsake = Keepsake(clock=Clock())
    keepsake.configure(p, ABOUT)
    done = list(ticks(p, 5))
    for each in done:
        keepsake.write(*each)
    return keepsake, p, done


def equal(a, b):
    return all(
        np.array_equal(getattr(a, f.name), getattr(b, f.name), equal_nan=True)
        if isinstance(getattr(a, f.name), (np.ndarray, float))
        else getattr(a, f.name) == getattr(b, f.name)
        for f in dataclasses.fields(a)
    )


def test_the_next_daemon_finds_the_last_tick(kept):
    keepsake, p, done = kept
    found = Keepsake(copies(keepsake)).take(now_s=105.0)
    assert equal(found.state, done[-1][0])
    assert equal(found.image, done[-1][1])
    assert found.params.ids == p.ids
    assert found.config_hash == ABOUT.config_hash


def test_nothing_is_there_at_the_first_start():
    assert Keepsake().take(100.0) is None


@pytest.mark.parametrize("damage", ["prelude", "header", "state", "image", "cut", "zeros"])
def test_a_spoilt_file_leaves_the_tick_before(kept, damage):
    keepsake, _, done = kept
    fd = keepsake.fds[len(done) % FILES]  # written last
    size = os.fstat(fd).st_size
    at = {"prelude": 17, "header": 200, "state": size - 1500, "image": size - 5}
    if damage == "cut":
        os.ftruncate(fd, size - 1)
    elif damage == "zeros":
        os.pwrite(fd, bytes(size), 0)
    else:
        byte = os.pread(fd, 1, at[damage])
        os.pwrite(fd, bytes([byte[0] ^ 1]), at[damage])
    found = Keepsake(copies(keepsake)).take(105.0)
    assert equal(found.state, done[-2][0])


def test_a_kill_at_any_write_leaves_a_whole_tick(kept, monkeypatch):
    """Writes are cut after each octet count in turn, as a kill in the middle of one does."""
    keepsake, p, done = kept
    before = [os.pread(fd, 1 << 20, 0) for fd in keepsake.fds]
    more, inputs = tick(done[-1][0], image(4, 5, 105.0), p)[0], image(4, 5, 105.0)
    wrote = []
    real = os.pwrite
    monkeypatch.setattr(
        os, "pwrite", lambda fd, data, at: wrote.append((fd, bytes(data), at)) or len(data)
    )
    keepsake.write(more, inputs)
    monkeypatch.setattr(os, "pwrite", real)
    total = sum(len(data) for _, data, _ in wrote)
    for cut in (*range(0, total, 97), total - 1):
        for fd, old in zip(keepsake.fds, before, strict=True):
            os.ftruncate(fd, 0)
            os.pwrite(fd, old, 0)
        left = cut
        for fd, data, at in wrote:
            os.pwrite(fd, data[:left], at)
            left -= min(left, len(data))
        found = Keepsake(copies(keepsake)).take(106.0)
        # The last octets of the prelude may be those that stood there: then it is whole.
        whole = cut >= total - 48 and equal(found.state, more)
        assert whole or equal(found.state, done[-1][0]), cut


@pytest.mark.parametrize("age_s", [-0.1, AGE_MAX_S + 0.1])
def test_what_is_old_or_of_another_clock_is_not_taken_up(kept, age_s):
    assert Keepsake(copies(kept[0])).take(104.0 + age_s) is None


def test_a_state_that_ends_each_daemon_is_given_up(kept):
    keepsake, _, _ = kept
    for attempt in range(ATTEMPTS_MAX):
        assert Keepsake(copies(keepsake)).take(105.0).attempts == attempt
    assert Keepsake(copies(keepsake)).take(105.0) is None


def test_one_that_runs_on_has_its_attempts_forgotten(kept):
    keepsake, p, _ = kept
    clock = Clock(105.0)
    second = Keepsake(copies(keepsake), clock)
    second.configure(p, ABOUT)
    assert second.take(105.0).attempts == 0
    for now_s, attempts in ((106.0, 1), (105.0 + SETTLED_S + 0.1, 0)):
        clock.now_s = now_s
        second.write(*next(ticks(p, 1)))
        assert Keepsake(copies(second)).kept[1].attempts == attempts


def test_other_units_after_a_reload(kept):
    keepsake, _, done = kept
    p = params(7)
    keepsake.configure(p, ABOUT)
    first = next(ticks(p, 1))
    keepsake.write(*first)
    found = Keepsake(copies(keepsake)).kept[1]
    assert equal(found.state, first[0])
    os.ftruncate(keepsake.fds[(len(done) + 1) % FILES], 0)  # and the other is still of the old ones
    assert equal(Keepsake(copies(keepsake)).kept[1].state, done[-1][0])


def test_after_a_stop_nothing_is_left(kept):
    kept[0].clear()
    assert Keepsake(copies(kept[0])).take(105.0) is None
