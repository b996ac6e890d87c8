"""The log's way out: a reader that is slow, stopped or gone never holds up the writer."""

import fcntl
import os
import threading

import pytest

from vppd.ops.sink import LineSink

PIPE_BYTES = 4096


@pytest.fixture
def pipe():
    """A small pipe: (reading end, writing end)."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    yield reading, writing
    for fd in (reading, writing):
        try:
            os.close(fd)
        except OSError:
            continue


def tell(count):
    return f"dropped {count}"


def read_all(reading):
    """Everything until the writing end is closed."""
    data = bytearray()
    while part := os.read(reading, 65536):
        data += part
    return data.decode().splitlines()


def drained(reading):
    """Read in a thread, so that a writer can go on; gives (thread, lines)."""
    lines = []
    thread = threading.Thread(target=lambda: lines.extend(read_all(reading)))
    thread.start()
    return thread, lines


def test_lines_come_out_in_order(pipe):
    reading, writing = pipe
    sink = LineSink(writing, tell)
    sent = [f"line {i} ü" for i in range(5000)]
    thread, lines = drained(reading)
    for line in sent:
        sink.put(line)
    assert sink.close(timeout_s=10.0)
    os.close(writing)
    thread.join(10.0)
    assert lines == sent
    assert sink.dropped == 0


def test_a_reader_that_has_stopped_costs_lines_not_time(pipe):
    reading, writing = pipe
    sink = LineSink(writing, tell, limit=100)
    for i in range(20_000):  # would hang here if it wrote in this thread
        sink.put(f"line {i} {'x' * 80}")
    assert sink.dropped > 19_000
    assert not sink.close(timeout_s=0.05)

    dropped = sink.dropped
    thread, lines = drained(reading)
    assert sink.close(timeout_s=10.0)
    os.close(writing)
    thread.join(10.0)
    told = [int(line.split()[1]) for line in lines if line.startswith("dropped")]
    assert sum(told) == dropped
    assert len(lines) - len(told) == 20_000 - dropped


def test_a_reader_that_has_gone_is_no_error(pipe):
    reading, writing = pipe
    sink = LineSink(writing, tell)
    os.close(reading)
    sink.put("into the void")
    sink.put("and again")
    assert sink.close(timeout_s=10.0)


def test_a_non_blocking_descriptor_is_waited_for(pipe):
    reading, writing = pipe
    os.set_blocking(writing, False)
    sink = LineSink(writing, tell)
    sent = [f"{i} {'x' * 1000}" for i in range(100)]
    thread, lines = drained(reading)
    for line in sent:
        sink.put(line)
    assert sink.close(timeout_s=10.0)
    os.close(writing)
    thread.join(10.0)
    assert lines == sent


def test_without_a_thread_lines_are_written_at_once(pipe):
    reading, writing = pipe
    threads = threading.active_count()
    sink = LineSink(writing, tell, threaded=False)
    sink.put("now")
    assert os.read(reading, 100) == b"now\n"
    assert threading.active_count() == threads
    assert sink.close()


def test_bytes_that_are_no_text_do_not_stop_the_log(pipe):
    reading, writing = pipe
    sink = LineSink(writing, tell, threaded=False)
    sink.put("serial \udcff number")
    assert os.read(reading, 100) == b"serial \\udcff number\n"
