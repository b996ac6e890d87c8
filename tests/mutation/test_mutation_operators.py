"""The operators and the choice of mutants; where cosmic-ray is installed (`make mutate`)."""

import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("cosmic_ray")
sys.path.append(str(Path(__file__).parent))

import extra_operators
import mutants
from cosmic_ray.mutating import mutate_code

KINDS = [*mutants.OURS.values(), *mutants.LAST_RESORT.values()]
SOURCE = '''"""A module."""
N: int = 2


@cache(1)
def f(a: float, *, b: float = 1e100) -> float:
    """A function of 2."""
    n = a.shape[0]
    total = 0.0
    total += -a
    if a < b and total is not None:
        a = b
    return total
'''


@pytest.mark.parametrize("operator", KINDS, ids=lambda o: type(o).__name__)
def test_each_operator_does_what_its_example_says(operator):
    for example in operator.examples():
        code = mutate_code(example.pre_mutation_code, operator, example.occurrence)
        assert code == example.post_mutation_code


def changes(path):
    lines = SOURCE.splitlines()
    found = mutants.mutants_of(path, SOURCE)
    texts = [(m.start[0], mutants.mutated(SOURCE, m).splitlines()) for m in found]
    assert len({tuple(text) for _, text in texts}) == len(found)
    return [(line, text[line - 1].strip()) for line, text in texts if text != lines]


def test_nothing_is_changed_that_could_say_nothing():
    seen = changes("vppd/core/x.py")
    assert {line for line, _ in seen} == {2, 9, 10, 11, 12, 13}
    assert (2, "N: int = 3") in seen
    assert (10, "pass") in seen
    assert (10, "total -= -a") in seen
    assert (10, "total += a") in seen
    assert (12, "pass") in seen
    assert not [text for _, text in seen if "<<" in text or "a is b" in text]


def test_in_kernels_each_line_has_one():
    seen = changes("vppd/kernels/x.py")
    assert (8, "n = -(a.shape[0])") in seen
    first = [line for line, _ in mutants.statements(SOURCE)]
    assert {line for line, _ in seen} == set(first) == {2, 8, 9, 10, 11, 12, 13}


def test_the_extra_operators_are_all_used():
    kinds = [v for v in vars(extra_operators).values() if isinstance(v, type)]
    ours = {kind for kind in kinds if kind.__module__ == extra_operators.__name__}
    assert ours == {type(o) for o in KINDS}


def test_a_sample_has_each_line_and_is_part_of_a_larger_one():
    found = mutants.mutants_of("vppd/kernels/a.py", SOURCE)
    one, two = (set(mutants.sample(found, SOURCE, k)) for k in (1, 2))
    assert one < two < set(found) == set(mutants.sample(found, SOURCE, 0))
    assert {m.start[0] for m in one} == {m.start[0] for m in found}
    assert len(one) == len({m.start[0] for m in found})
    lower = "\n" + SOURCE
    moved = mutants.sample(mutants.mutants_of("vppd/kernels/a.py", lower), lower, 1)
    assert {(m.start[0] - 1, m.operator) for m in moved} == {(m.start[0], m.operator) for m in one}


def test_each_file_of_core_and_kernels_has_tests_that_exist():
    root = Path(__file__).parents[2]
    suites = tomllib.loads((Path(__file__).parent / "suites.toml").read_text())["tests"]
    files = {f"vppd/{room}/{p.name}" for room in ("core", "kernels") for p in
             (root / "vppd" / room).glob("*.py")}  # fmt: skip
    plumbing = ("compiler", "jit", "kinds")  # how kernels are compiled: no number of a tick
    left_out = {"vppd/core/__init__.py", "vppd/kernels/__init__.py"}
    left_out |= {f"vppd/kernels/{name}.py" for name in plumbing}
    assert files - left_out == set(suites)
    for tests in suites.values():
        assert tests
        assert all((root / test.split("::")[0]).exists() for test in tests)
