"""Rules that every kernel keeps: how it is compiled, what it may use, the same bits everywhere."""

import ast
import hashlib
import importlib
import math
import os
import subprocess
import sys
from pathlib import Path

import kernels_digest
import kernels_splits
import numpy as np
import pytest
from machine_code import inexact
from numba.core.dispatcher import Dispatcher

from vppd.core.types import Reason
from vppd.kernels import able, bands, guard, limits, participation, sides, status, trust, warm
from vppd.kernels.sums import sum_in_order

FOLDER = Path(warm.__file__).parent
MODULES = [importlib.import_module(f"vppd.kernels.{name}") for name in warm.MODULES]
COMPILED = [
    (module, name, value)
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Dispatcher)
]
PUBLIC = [entry for entry in COMPILED if not entry[1].startswith("_")]
CPU_S = 240  # of compiling every kernel, at most; it takes a quarter of that
PATIENCE_S = 1800  # with a machine that is busy with something else
# What the source of a kernel may take from numpy: types and constants, no function that sums.
# The last three round to whole numbers, which is exact.
FROM_NUMPY = {"nan", "inf", "isnan", "uint8", "uint64", "int64", "rint", "floor", "ceil"}


def test_every_kernel_is_loaded_at_start():
    files = {path.stem for path in FOLDER.glob("*.py")}
    others = {"__init__", "compiler", "jit", "kinds", "rows", "status", "warm"}
    assert files - others == set(warm.MODULES)
    assert warm.load() == len(warm.MODULES)


def test_loading_imports_each_of_them(monkeypatch):
    seen = []
    monkeypatch.setattr(warm, "import_module", seen.append)
    warm.load()
    assert seen == [f"vppd.kernels.{name}" for name in warm.MODULES]


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")
def test_what_is_in_the_cache_is_loaded_without_what_compiles():
    """A daemon that was killed has a second and a half to be back."""
    warm.load()  # so that the cache has them
    code = "import sys; from vppd.kernels import warm; warm.load(); print(*sorted(sys.modules))"
    asked = [sys.executable, "-c", code]
    loaded = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    assert "vppd.kernels.ahead" in loaded
    assert "numba.np.linalg" not in loaded


def test_these_kernels_are_called_from_outside():
    assert {name for _, name, _ in PUBLIC} == {
        "advance", "aim", "answer_groups", "choose_sides", "conclude", "conclude_groups",
        "correct", "count_changed", "count_doubt", "count_known", "count_rows", "count_stiff",
        "counted", "decay", "economy", "evaluate_groups", "expect", "find_able", "find_ends",
        "find_far", "find_gains", "find_held", "find_holders", "find_left", "find_sides",
        "find_still", "fit_to_grid", "fits", "fold_limits", "foresee", "good_readings",
        "guard_setpoints", "image_fits", "judge", "keep", "keep_to_sides", "kkt_violation_mw",
        "lasting", "look_ahead", "mark_crossed", "move_groups", "pinned", "prepare",
        "prepare_groups", "project_tree", "promise", "record", "record_ahead", "recover",
        "remember", "remember_sides", "round_all", "round_instants", "search_prices", "serve",
        "set_centres", "share", "shift_rows", "shrink", "split_exact", "split_merit_order",
        "split_plain", "split_pro_rata", "state_fits", "sum_in_order", "take_part", "tally",
        "tree_fits", "within_ramp", "work_size",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("module", "name", "function"),
    COMPILED,
    ids=[f"{module.__name__}.{name}" for module, name, _ in COMPILED],
)
def test_no_kernel_is_compiled_twice_or_with_fast_math(module, name, function):
    kernels_digest.digest()  # calls every kernel, with writable and read-only arrays
    assert name.startswith("_") or len(function.signatures) == 1
    assert function.targetoptions["fastmath"] is False
    assert function.targetoptions["error_model"] == "numpy"
    assert not function.targetoptions.get("parallel", False)
    assert function.targetoptions["_nrt"] is False  # Numba refuses one that would allocate
    # A module that a kernel takes others from is seen by the cache; a function only by its module.
    assert function.py_func.__module__ == module.__name__


def stamps(module):
    """What the cache holds each kernel of a module against."""
    return [
        value._cache._cache_file._source_stamp[1:]
        for value in vars(module).values()
        if isinstance(value, Dispatcher)
    ]


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")
def test_the_cache_sees_a_change_in_every_file_that_a_kernel_is_made_of():
    """Numba's own looks at the file of the kernel alone."""
    digest = {name: hashlib.sha256((FOLDER / f"{name}.py").read_bytes()).hexdigest()
              for name in ("participation", "limits", "trust", "rows", "jit", "tree")}  # fmt: skip
    below = stamps(able)
    assert below
    for stamp in below:
        assert {digest[n] for n in ("participation", "limits", "trust", "rows", "jit")} < {*stamp}
        assert digest["tree"] not in stamp
    assert all(digest["limits"] not in stamp for stamp in stamps(trust))


@pytest.mark.parametrize("name", warm.MODULES)
def test_kernels_use_nothing_that_could_change_the_bits(name):
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "np"
    }
    assert used <= FROM_NUMPY
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"sum", "pow", "sorted", "round", "set", "hash"}


def test_sums_keep_what_fast_math_would_lose():
    assert sum_in_order(np.array([1e16, 1.0, -1e16])) == 1.0
    assert math.isnan(sum_in_order(np.array([1.0, math.nan])))
    assert sum_in_order(np.empty(0)) == 0.0
    rng = np.random.default_rng(11)
    values = rng.normal(size=10_000) * 10.0 ** rng.uniform(-8.0, 8.0, 10_000)
    assert sum_in_order(values) == pytest.approx(math.fsum(values), rel=0.0, abs=1e-8)
    assert sum_in_order(values) == pytest.approx(math.fsum(values), rel=1e-13)


def test_numbers_are_those_of_the_core():
    names = ("NONE", "RATING", "RAMP", "SOC", "AVAILABLE", "TELEMETRY_AGE", "CROSSED")
    assert {n: int(getattr(limits, n)) for n in names} == {n: int(Reason[n]) for n in names}
    names = ("NONE", "OPERATOR", "CROSSED", "LOCAL_CONTROL")
    assert {n: getattr(guard, n) for n in names} == {n: int(Reason[n]) for n in names}
    assert (int(trust.MODEL), int(trust.BENCHED)) == (Reason.MODEL, Reason.BENCHED)
    assert int(participation.BENCHED) == Reason.BENCHED
    names = ("BAND", "MIN_TIME", "CYCLES")
    assert {n: getattr(bands, n) for n in names} == {n: int(Reason[n]) for n in names}
    assert (bands.IN_SPLIT, bands.BELOW, bands.ABOVE) == (Reason.NONE, sides.BELOW, sides.ABOVE)


def test_status_codes_stand_in_the_journal():
    assert status.NAMES == {
        0: "ok", 1: "unserved_up", 2: "unserved_down", -1: "bad_input", -2: "mismatch",
    }  # fmt: skip
    assert (status.OK, status.UNSERVED_UP, status.UNSERVED_DOWN) == (0, 1, 2)
    assert (status.BAD_INPUT, status.MISMATCH) == (-1, -2)


def elsewhere(tmp_path: Path | None, program=kernels_digest, **environment: str) -> str:
    """Digest of kernels' outputs in another process; without a path from the kernels' cache.

    It works all the time and waits for nothing, so what is limited is its work, however many
    others the machine has to serve.
    """
    cache = {} if tmp_path is None else {"NUMBA_CACHE_DIR": str(tmp_path)}
    limited = ["sh", "-c", f'ulimit -t {CPU_S} && exec "$@"', "sh"]
    result = subprocess.run(
        [*limited, sys.executable, program.__file__],
        env={**os.environ, **cache, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


@pytest.mark.timeout(PATIENCE_S)
def test_the_same_bits_without_a_compiler(tmp_path):
    assert elsewhere(tmp_path, NUMBA_DISABLE_JIT="1") == kernels_digest.digest()


PLAIN = {"NUMBA_CPU_NAME": "generic", "NUMBA_LOOP_VECTORIZE": "0"}


@pytest.mark.accept
@pytest.mark.timeout(PATIENCE_S)
def test_the_same_bits_on_a_plain_cpu_without_vector_loops(tmp_path):
    """Of all kernels: to compile them anew takes as long as all other tests of them."""
    assert elsewhere(tmp_path, **PLAIN) == kernels_digest.digest()


@pytest.mark.timeout(PATIENCE_S)
def test_the_same_bits_of_a_split_on_a_plain_cpu_without_vector_loops(tmp_path):
    there = elsewhere(tmp_path, kernels_splits, **PLAIN)
    assert there == kernels_splits.digest()


@pytest.mark.parametrize(
    ("module", "name", "function"),
    COMPILED,
    ids=[f"{module.__name__}.{name}" for module, name, _ in COMPILED],
)
def test_nothing_is_left_to_the_compiler_of_another_cpu(module, name, function):
    """LLVM may reorder, fuse or approximate nothing, so every processor rounds the same."""
    for compiled in function.overloads.values():
        code = str(compiled.library._get_module_for_linking())
        assert "define" in code
        assert inexact(code) == []


@pytest.mark.parametrize(
    "line",
    [
        "  %7 = fadd reassoc double %5, %6",
        "  %7 = fmul fast <4 x double> %5, %6",
        "  %7 = fadd contract double %5, %6",
        "  %7 = select nnan i1 %3, double %5, double %6",
        "  %7 = call double @llvm.fmuladd.f64(double %1, double %2, double %3)",
        "  %7 = tail call <4 x double> @llvm.fma.v4f64(<4 x double> %1, <4 x double> %2)",
        "  %7 = call double @pow(double %1, double %2)",
        "  %7 = tail call double @llvm.exp.f64(double %1)",
        "  call void @numba_sincos(double %1, ptr %2)",
        "  %7 = call double @llvm.vector.reduce.fadd.v4f64(double 0.0, <4 x double> %1)",
    ],
)
def test_what_is_left_to_the_compiler_would_be_found(line):
    assert inexact(line) == [line.strip()]


@pytest.mark.timeout(PATIENCE_S)
@pytest.mark.parametrize("threads", ["1", "4"])
def test_the_same_bits_with_any_number_of_threads(threads):
    assert elsewhere(None, NUMBA_NUM_THREADS=threads) == kernels_digest.digest()
