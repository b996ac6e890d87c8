"""Processes that work, die, hang, and cannot be started."""

import os
import signal
import time
from functools import partial

import pytest

from hil.campaign.pool import Pool
from hil.campaign.row import DIED, TIMED_OUT
from hil.plumbing import CouldNotRunError

TIMEOUT_S = 100.0  # only what hangs takes longer, on any machine
HANG_S = 5.0


def square():
    return lambda number: number * number


def work(item):
    if item == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "hang":
        time.sleep(3600.0)
    if item == "raise":
        raise MemoryError("no more of it")
    if item == "leave":
        os._exit(7)
    return item, os.getpid()


def busy():
    return work


def refuse(marker):
    with marker.open("a") as file:
        file.write("x")
    raise OSError("no kernels here")


def pool(tmp_path, make, jobs=1, timeout_s=TIMEOUT_S):
    return Pool(make, jobs, timeout_s, tmp_path / "logs", start_s=TIMEOUT_S)


def test_every_item_is_done_once(tmp_path):
    done = list(pool(tmp_path, square, jobs=2).run(range(20)))
    assert sorted((each.item, each.value) for each in done) == [(n, n * n) for n in range(20)]
    assert not any(each.failed for each in done)


def test_a_process_that_dies_costs_its_item_only(tmp_path):
    items = ["a", "crash", "b", "raise", "leave", "c"]
    done = {each.item: each for each in pool(tmp_path, busy).run(items)}
    assert list(done) == items
    assert {item: each.failed for item, each in done.items() if each.value is None} == {
        "crash": DIED, "raise": DIED, "leave": DIED,
    }  # fmt: skip
    assert "killed by SIGSEGV" in done["crash"].text
    assert "Fatal Python error: Segmentation fault" in done["crash"].text
    assert "MemoryError: no more of it" in done["raise"].text
    assert "exit code 7" in done["leave"].text
    pids = [done[item].value[1] for item in "abc"]
    assert len(set(pids)) == 3
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_process_that_hangs_is_killed_and_costs_its_item_only(tmp_path):
    hung, after = pool(tmp_path, busy, timeout_s=HANG_S).run(["hang", "a"])
    assert (hung.value, hung.failed) == (None, TIMED_OUT)
    assert hung.spent_s >= HANG_S
    assert after.value[0] == "a"


def test_a_process_lives_for_many_items(tmp_path):
    pids = {each.value[1] for each in pool(tmp_path, busy).run(range(30))}
    assert len(pids) == 1


def test_items_are_taken_when_a_process_is_free(tmp_path):
    taken = []

    def items():
        for number in range(4):
            taken.append(number)
            yield number

    for each in pool(tmp_path, square).run(items()):
        assert taken[-1] == each.item


def test_a_pool_that_is_left_ends_its_processes(tmp_path):
    running = pool(tmp_path, busy, jobs=2).run(range(100))
    _, pid = next(running).value
    running.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_cannot_be_made_is_tried_a_few_times(tmp_path):
    marker = tmp_path / "tries"
    with pytest.raises(
        CouldNotRunError, match=r"no process can be started: (?s:.*)no kernels here"
    ):
        list(pool(tmp_path, partial(refuse, marker)).run([1]))
    assert marker.read_text() == "xxx"
