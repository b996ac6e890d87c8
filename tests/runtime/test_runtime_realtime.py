"""What the kernel grants, in a process of its own, and that what is said of it is true."""

import gc
import json
import os
import resource
import subprocess
import sys

import pytest

from vppd.runtime import realtime
from vppd.runtime.realtime import CAP_IPC_LOCK, SlackCollector, has_capability

CHILD = """
import json, os, sys, threading
from pathlib import Path
from vppd.runtime import realtime
{prepare}
got = realtime.apply_realtime({priority}, {lock_memory})
policy = []
thread = threading.Thread(target=lambda: policy.append(os.sched_getscheduler(0)))
thread.start()
thread.join()
status = dict(
    line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()
)
print(json.dumps({{
    "scheduler": got.scheduler, "memory": got.memory, "gc": got.gc,
    "is": realtime.scheduler(), "thread": policy[0], "locked_kb": int(status["VmLck"].split()[0]),
    "rss_kb": int(status["VmRSS"].split()[0]), "size_kb": int(status["VmSize"].split()[0]),
}}))
"""
UNPRIVILEGED = """
import resource
resource.setrlimit(resource.RLIMIT_MEMLOCK, (8 << 20, 8 << 20))
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
if os.getuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
"""


def ask(*, priority=40, lock_memory=True, prepare=""):
    """Run `apply_realtime` in a child and tell what it said, and what is."""
    code = CHILD.format(prepare=prepare, priority=priority, lock_memory=lock_memory)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


def may_use_fifo():
    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    return has_capability(23) or limit >= 40 or limit == resource.RLIM_INFINITY  # CAP_SYS_NICE


def may_lock_memory():
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    return has_capability(CAP_IPC_LOCK) or limit == resource.RLIM_INFINITY


def test_what_is_said_is_so():
    got = ask()
    if may_use_fifo():
        assert got["scheduler"] == "SCHED_FIFO 40"
        assert got["is"] == [os.SCHED_FIFO, 40]
    else:
        assert got["scheduler"] == "SCHED_OTHER: EPERM for SCHED_FIFO 40"
        assert got["is"] == [os.SCHED_OTHER, 0]
    assert (got["memory"] == "locked as used") == may_lock_memory()
    assert (got["locked_kb"] > 0) == may_lock_memory()
    assert got["gc"].endswith("objects frozen")


def test_threads_started_later_are_ordinary():
    assert ask()["thread"] & ~os.SCHED_RESET_ON_FORK == os.SCHED_OTHER


@pytest.mark.skipif(not may_lock_memory(), reason="locking memory is not permitted here")
def test_locking_does_not_fill_memory_that_is_only_reserved():
    got = ask(prepare="import mmap; reserved = mmap.mmap(-1, 400 << 20)")
    assert got["memory"] == "locked as used"
    assert got["size_kb"] > 400 << 10
    assert got["rss_kb"] < 200 << 10


def test_without_permission_it_says_so_and_goes_on():
    got = ask(prepare=UNPRIVILEGED)
    assert got["scheduler"] == "SCHED_OTHER: EPERM for SCHED_FIFO 40"
    assert got["memory"] == "not locked: limit of 8 MB (LimitMEMLOCK=infinity lifts it)"
    assert got["locked_kb"] == 0
    assert got["is"] == [os.SCHED_OTHER, 0]


@pytest.mark.skipif(not may_use_fifo(), reason="SCHED_FIFO is not permitted here")
def test_what_the_service_manager_gave_is_kept_without_permission():
    given = "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(40))\n" + UNPRIVILEGED
    assert ask(prepare=given)["scheduler"] == "SCHED_FIFO 40, given by the service manager"
    refused = ask(prepare=given, priority=60)
    assert refused["scheduler"] == "SCHED_FIFO 40: EPERM for SCHED_FIFO 60"
    assert refused["is"] == [os.SCHED_FIFO, 40]


def test_nothing_is_asked_for_when_the_configuration_says_so():
    got = ask(priority=0, lock_memory=False)
    assert got["scheduler"] == "SCHED_OTHER: not asked for"
    assert got["memory"] == "not locked: not asked for"
    assert got["locked_kb"] == 0


def test_a_process_without_proc_has_no_capability(monkeypatch, tmp_path):
    monkeypatch.setattr(realtime, "Path", lambda _: tmp_path / "missing")
    assert not has_capability(CAP_IPC_LOCK)


class Collections:
    """Stands in for gc.collect: each collection takes 3 ms of the clock."""

    def __init__(self, monkeypatch):
        self.now_s = 100.0
        self.generations = []
        monkeypatch.setattr(gc, "collect", self.collect)

    def clock(self):
        return self.now_s

    def collect(self, generation):
        self.generations.append(generation)
        self.now_s += 0.003


def test_garbage_is_collected_in_slack_and_fully_once_a_minute(monkeypatch):
    world = Collections(monkeypatch)
    collector = SlackCollector(world.clock, full_every_s=60.0)
    collector.collect(0.9)
    world.now_s += 60.0
    collector.collect(0.1)  # not time enough for everything
    collector.collect(0.9)
    collector.collect(0.9)
    collector.collect(0.01)  # not time enough for anything
    collector.collect(-0.2)
    assert world.generations == [1, 1, 2, 1]
    assert collector.full_collections == 1
    assert collector.longest_s == pytest.approx(0.003)


def test_a_cycle_that_young_collections_have_aged_is_found_in_the_end():
    class Node:
        pass

    freed = []

    class Sentinel:
        def __del__(self):
            freed.append(True)

    now_s = [0.0]
    collector = SlackCollector(lambda: now_s[0], full_every_s=60.0)
    node = Node()
    node.itself, node.sentinel = node, Sentinel()
    collector.collect(1.0)
    collector.collect(1.0)  # now it is in the oldest generation
    del node
    collector.collect(1.0)
    assert freed == []
    now_s[0] = 60.0
    collector.collect(1.0)
    assert freed == [True]
