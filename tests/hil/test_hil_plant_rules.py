"""Rules of the compiled physics: the same bits everywhere, nothing compiled in a step, quick."""

import ast
import hashlib
import importlib
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from small_bench import unit

from hil.fleet import draw
from hil.plant import plant as plant_module
from hil.plant.plant import Plant
from hil.scenario import load

FOLDER = Path(plant_module.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
MAKERS = ("sunspec_battery", "modbus_ev_hub", "modbus_hvac", "dnp3_industrial", "sunspec_pv")
STEP_S = 0.1
BUDGET_S = {210: 300e-6, 2100: 1000e-6}  # of one step


def digest() -> str:
    """Bits of a small plant after two minutes of orders and frequencies."""
    units = [
        unit(
            maker, k, rated_mw=0.2, p_min_mw=-0.2 if maker != "sunspec_pv" else 0.0, p_max_mw=0.2,
            basepoint_mw=-0.1, lag_true_s=2.0, dead_time_true_s=1.5, ramp_mw_per_s=0.02,
            droop_pu=0.05, cloud_cover_pu=0.3, cloud_depth_pu=0.5, departure_s=600.0,
            batch_s=100.0, batch_hold_s=20.0, batch_free_pu=0.2, min_on_s=20.0, min_off_s=10.0,
        )
        for k, maker in enumerate(MAKERS)
    ]  # fmt: skip
    made = Plant(units, STEP_S, 0.0, seed=9)
    rng = np.random.default_rng(9)
    for k in range(1200):
        if k % 20 == 0:
            for i in range(len(units)):
                made.order(i, float(rng.uniform(-0.2, 0.2)), k * STEP_S)
            made.set_frequency(50.0 + float(rng.normal(0.0, 0.3)))
        made.step()
    return hashlib.sha256(made._body.tobytes()).hexdigest()


def elsewhere(**environment: str) -> str:
    """Digest in another process."""
    result = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True, text=True, check=True, timeout=110,
    )  # fmt: skip
    return result.stdout.strip()


def test_the_same_bits_without_a_compiler():
    assert elsewhere(NUMBA_DISABLE_JIT="1") == digest()


def compiled() -> list[tuple[str, str, Dispatcher]]:
    found = []
    for name in MODULES:
        module = importlib.import_module(f"hil.plant.{name}")
        found += [(name, k, v) for k, v in vars(module).items() if isinstance(v, Dispatcher)]
    return found


def test_kernels_are_compiled_at_import_and_never_again():
    digest()
    kernels = [entry for entry in compiled() if entry[2].signatures and not entry[2]._can_compile]
    assert {(module, name) for module, name, _ in kernels} == {
        ("actuator", "move"), ("battery", "step"), ("ev_hub", "step"), ("hvac", "step"),
        ("ieee1547", "step"), ("industrial", "step"), ("machines", "step"), ("orders", "file"),
        ("orders", "take"), ("pv", "step"), ("meter", "turn"),
    }  # fmt: skip
    for _, _, kernel in kernels:
        assert len(kernel.signatures) == 1


def test_no_compiled_function_is_of_another_file():
    # Numba's cache does not see a change in another file
    for module, name, function in compiled():
        assert function.py_func.__module__ == f"hil.plant.{module}", name
        assert function.targetoptions["fastmath"] is False


@pytest.mark.parametrize("name", sorted({module for module, _, _ in compiled()}))
def test_compiled_functions_call_nothing_that_could_change_the_bits(name):
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        decorators = {getattr(getattr(d, "func", d), "id", "") for d in function.decorator_list}
        if decorators & {"kernel", "law"}:
            used = {n.attr for n in ast.walk(function) if isinstance(n, ast.Attribute)}
            assert not used & {"exp", "log", "pow", "sqrt", "sum", "dot", "random"}, function.name
            assert not [n for n in ast.walk(function) if isinstance(n, ast.Pow)], function.name


@pytest.mark.accept
@pytest.mark.parametrize("times", [1, 10])
def test_a_step_is_quick(times):
    drawn = draw(load("zhejiang"), 20000).units
    units = [replace(one, index=i) for i, one in enumerate(drawn * times)]
    made = Plant(units, STEP_S, 0.0, seed=1)
    best_s = np.inf
    for _ in range(20):  # others may be busy on this machine: the best counts
        begun_s = time.perf_counter()
        for i, one in enumerate(units):
            made.order(i, one.basepoint_mw, made.now_s)
        for _ in range(10):
            made.step()
        best_s = min(best_s, (time.perf_counter() - begun_s) / 10)
    assert best_s < BUDGET_S[len(units)]


if __name__ == "__main__":
    print(digest())
