"""Counts the calls inside a kernel, in its uncompiled form."""

from collections import Counter
from types import FunctionType, ModuleType

import pytest


def count_calls(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Replace each function of a kernel's module; calls by name, and units given to `_response`."""
    counts: Counter[str] = Counter()

    def counted(name, function):
        def count(*arguments):
            counts[name] += 1
            if name == "_response":
                counts["units"] += arguments[1].size
            return function(*arguments)

        return count

    for name, function in vars(module).copy().items():
        if callable(function) and getattr(function, "__module__", "") == module.__name__:
            # itself with NUMBA_DISABLE_JIT=1
            plain: FunctionType = getattr(function, "py_func", function)
            monkeypatch.setattr(module, name, counted(name, plain))
    return counts
