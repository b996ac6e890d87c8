"""One mutant against the tests, in a forked process that ends with it.

The parent has imported what is slow to import, and nothing of vppd. The change is never written
to disk: an import hook gives the mutated source, so trials run side by side in one tree.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import math
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

import numpy as np
import pytest

LOADING_S = 8  # CPU time for imports and collection
SPARE_S = 2  # CPU time of a test: so much, and four times what it takes without a change
UNUSED = ("cacheprovider", "doctest", "faulthandler", "junitxml", "logging", "pastebin",
          "threadexception", "unraisableexception", "xdist", "xdist.looponfail")  # fmt: skip
OPTIONS = (
    "-x", "-q", "-s", "--tb=short", "--assert=plain", "--timeout=0", "-o", "addopts=",
    "-W", "ignore::RuntimeWarning", "-W", "ignore::pytest.PytestAssertRewriteWarning",
    "--hypothesis-profile=mutation", *(word for name in UNUSED for word in ("-p", f"no:{name}")),
)  # fmt: skip


class MutatedLoader(importlib.machinery.SourceFileLoader):
    """Gives the source of the mutant, and never the cached bytecode."""

    source = ""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.source, self.path, "exec", dont_inherit=True)


class Finder(importlib.abc.MetaPathFinder):
    """Finds one module: the mutated one."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self.name = name
        self.loader = MutatedLoader(name, str(path))
        self.loader.source = source

    def find_spec(self, name: str, path: object, target: object = None):
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(
            name, self.loader.path, loader=self.loader
        )  # fmt: skip


@dataclass
class Outcome:
    """What the tests said: who failed first, with which exception, and how long each test took."""

    failed: str = ""
    raised: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


class Watch:
    """Pytest plugin: an order of the tests, a limit of CPU time for each, notes for the parent.

    Those of the suite's first entry come first, for they find most; then the quick ones.
    """

    def __init__(self, known_s: dict[str, float], first: str, notes: Path) -> None:
        self.known_s, self.first, self.notes = known_s, first, notes
        self.outcome = Outcome()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(
            key=lambda item: (
                not item.nodeid.startswith(self.first), self.known_s.get(item.nodeid, 0.0)
            )
        )  # fmt: skip

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        begin = time.process_time()
        limit_cpu(begin + SPARE_S + 4.0 * self.known_s.get(item.nodeid, 10.0))
        self.outcome.failed = item.nodeid  # should it never end
        self.write()
        result = yield
        if not self.outcome.raised:
            self.outcome.failed = ""
        self.outcome.seconds[item.nodeid] = time.process_time() - begin
        return result

    def pytest_exception_interact(self, node: pytest.Item, call: pytest.CallInfo) -> None:
        self.outcome.failed = node.nodeid
        self.outcome.raised = type(call.excinfo.value).__name__ if call.excinfo else ""

    def write(self) -> None:
        fresh = self.notes.with_suffix(".new")  # the end may come at any moment
        fresh.write_text(json.dumps(vars(self.outcome)))
        fresh.replace(self.notes)


def limit_cpu(seconds: float) -> None:
    """The kernel ends this process with SIGXCPU after that much CPU time."""
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), resource.RLIM_INFINITY))


def start(
    file: Path, source: str | None, tests: list[str], known_s: dict[str, float], out: Path
) -> int:
    """Fork; the child runs the tests with `source` in that file's place. Its process id."""
    child = os.fork()
    if child:
        return child
    code = 70  # an error of ours
    try:
        sink = os.open(out.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        limit_cpu(time.process_time() + LOADING_S)
        if source is not None:
            name = ".".join(file.with_suffix("").parts)
            sys.meta_path.insert(0, Finder(name, file.absolute(), source))
        np.seterr(all="ignore")  # as compiled code is: no warnings
        watch = Watch(known_s, tests[0], out)
        code = int(pytest.main([*OPTIONS, *tests], plugins=[watch]))
        watch.write()
    except BaseException:  # noqa: BLE001  # nothing may come back out of the child
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended_as(status: int) -> str:
    """The name of how a trial ended, from the status that `os.wait` gives."""
    if os.WIFSIGNALED(status):
        return "timed out" if os.WTERMSIG(status) == signal.SIGXCPU else "crashed"
    code = os.WEXITSTATUS(status)
    # 2 and 4: the mutant cannot be imported, so the tests cannot be collected
    return {0: "survived", 1: "killed", 2: "killed", 4: "killed"}.get(code, "crashed")
