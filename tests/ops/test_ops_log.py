"""The log as a machine and as a person reads it."""

import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
import structlog

from vppd.ops.log import LibraryHandler, setup_log


class Log:
    """A log written into a file at once."""

    def __init__(self, path):
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT)

    def start(self, level="info", **options):
        self.setup = setup_log(level, fd=self.fd, threaded=False, **options)

    def text(self):
        return self.path.read_text()

    def lines(self):
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def log(tmp_path):
    log = Log(tmp_path / "log")
    yield log
    log.setup.close()
    os.close(log.fd)


def test_one_json_object_a_line_with_time_level_and_event_first(log):
    log.start()
    before = datetime.now(UTC)
    structlog.get_logger().info("unit_back", units=["bat-01"], count=1)
    (line,) = log.lines()
    assert list(line) == ["timestamp", "level", "event", "units", "count"]
    assert line["event"] == "unit_back"
    assert line["level"] == "info"
    assert line["units"] == ["bat-01"]
    assert line["timestamp"].endswith("Z")
    assert before <= datetime.fromisoformat(line["timestamp"]) <= datetime.now(UTC)


def test_json_knows_no_nan(log):
    log.start()
    values = {"p_mw": float("nan"), "rate": np.float64("inf"), "all": [1.5, float("nan")]}
    structlog.get_logger().info("tick", **values, n=np.int64(3))
    assert "NaN" not in log.text()
    assert "Infinity" not in log.text()
    (line,) = log.lines()
    assert (line["p_mw"], line["rate"], line["all"]) == (None, None, [1.5, None])


def test_a_value_that_json_does_not_know_becomes_text(log):
    log.start()
    structlog.get_logger().info("x", path=log.path, error=ValueError("no"), deep={"a": {1}})
    (line,) = log.lines()
    assert line["error"] == "ValueError('no')"
    assert line["deep"] == {"a": "{1}"}


def test_a_line_break_in_a_value_stays_in_its_line(log):
    log.start()
    structlog.get_logger().warning("device_lost", reason='bad\n{"event": "daemon_ready"}')
    (line,) = log.lines()
    assert line["event"] == "device_lost"


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_level(log, level, seen):
    log.start(level)
    logger = structlog.get_logger()
    for name in ("debug", "info", "warning", "error"):
        getattr(logger, name)("event")
    assert [line["level"] for line in log.lines()] == seen


def test_an_exception_carries_its_traceback(log):
    log.start()
    try:
        {}["boom"]
    except KeyError:
        structlog.get_logger().exception("task_failed", task="device bat-01")
    (line,) = log.lines()
    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("KeyError: 'boom'")


def test_libraries_come_out_in_the_same_log(log):
    log.start()
    logging.getLogger("asyncio").error("Task was destroyed: %s", "poll")
    (line,) = log.lines()
    assert line["event"] == "library_message"
    assert (line["library"], line["level"]) == ("asyncio", "error")
    assert line["message"] == "Task was destroyed: poll"


def test_a_library_whose_values_do_not_fit_its_message_is_logged_and_not_stopped(log):
    log.start()
    bad = logging.LogRecord("library", logging.WARNING, "", 0, "%d frames", ("many",), None)
    LibraryHandler().handle(bad)  # not by a logger: pytest's own handler raises for it
    (line,) = log.lines()
    assert line["message"] == "%d frames"


def test_a_protocol_library_does_not_cry_error_for_each_lost_answer(log):
    log.start()
    logging.getLogger("pymodbus.client").error("No response received after 3 retries")
    assert log.lines() == []
    log.setup.close()
    log.start("debug")
    logging.getLogger("pymodbus.client").error("No response received after 3 retries")
    assert [line["level"] for line in log.lines()] == ["debug"]


def test_people_get_columns(log, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    log.start(people=True)
    structlog.get_logger().warning("unit_lost", units=["bat-01"], reason="UNREACHABLE")
    assert "warning  ] unit_lost" in log.text()
    assert "reason=UNREACHABLE" in log.text()
    assert "\x1b" not in log.text()


def test_close_puts_everything_back(log):
    handlers = list(logging.getLogger().handlers)
    log.start()
    assert logging.getLogger().handlers != handlers
    log.setup.close()
    assert logging.getLogger().handlers == handlers
    assert not structlog.is_configured()


def test_dropped_lines_are_told_in_the_form_of_the_log(tmp_path):
    """A process whose reader sleeps until it has logged everything."""
    code = """
import sys, structlog
from vppd.ops.log import setup_log
log = setup_log("info")
log.sink._limit = 10
for i in range(5000):
    structlog.get_logger().info("x", pad="y" * 200)
print(log.dropped, flush=True)
"""
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        dropped = int(process.stdout.readline())  # stderr is not read before this
        lines = [json.loads(line) for line in process.stderr]
    told = [line for line in lines if line["event"] == "log_lines_dropped"]
    assert dropped > 1000
    assert sum(line["count"] for line in told) == dropped
    assert {line["level"] for line in told} == {"warning"}


def test_the_last_line_before_the_exit_is_written():
    code = """
import structlog
from vppd.ops.log import setup_log
setup_log("info")
structlog.get_logger().error("last_words")
raise SystemExit(3)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert json.loads(done.stderr)["event"] == "last_words"


@pytest.mark.parametrize(
    ("level", "priority"), [("info", 6), ("warning", 4), ("error", 3), ("critical", 2)]
)
def test_the_journal_is_told_the_priority(log, monkeypatch, level, priority):
    about = os.fstat(log.fd)
    monkeypatch.setenv("JOURNAL_STREAM", f"{about.st_dev}:{about.st_ino}")
    log.start()
    structlog.get_logger().log(getattr(logging, level.upper()), "an_event", mw=1.5)
    number, line = log.text().strip().removeprefix("<").split(">", 1)
    assert int(number) == priority
    assert json.loads(line)["mw"] == 1.5


def test_another_stream_has_no_priorities(log, monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    log.start()
    structlog.get_logger().info("an_event")
    assert log.lines()[0]["event"] == "an_event"
