"""The mutants of a module: cosmic-ray's operators and two more, without what would be nonsense.

A mutant that any test kills (`a << b` of two floats) would only lift the figure, and one that
changes nothing (`1e100 + 1`) only lower it. Neither is made.
"""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.operators.provider import OperatorProvider
from extra_operators import (
    DeleteStatement,
    DoubleNumber,
    NegateStored,
    SwapAugmentedAssignment,
    SwapLast,
)
from parso.tree import NodeOrLeaf

ARITHMETIC = {"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"}
FLOAT_ARITHMETIC = {"Add", "Sub", "Mul", "Div"}
BITS = {"BitOr", "BitAnd", "BitXor"}
IDENTITY = {"Is", "IsNot"}

OURS = {kind.__name__: kind() for kind in (SwapAugmentedAssignment, DeleteStatement)}
LAST_RESORT = {kind.__name__: kind() for kind in (NegateStored, SwapLast, DoubleNumber)}


@dataclass(frozen=True, order=True)
class Mutant:
    """One change of one file."""

    path: str  # from the root of the tree
    start: tuple[int, int]
    end: tuple[int, int]
    operator: str
    occurrence: int


def operators() -> dict[str, Operator]:
    """The operators for every line, by name: those that need no arguments."""
    provider = OperatorProvider()
    found = {name: provider[name]() for name in provider if not provider[name].arguments()}
    return {name: found[name] for name in sorted(found) if makes_sense(name)} | OURS


def makes_sense(operator: str) -> bool:
    """Whether an operator can give anything but nonsense in code of floats, flags and enums."""
    kind, _, change = operator.partition("_")
    before, _, after = change.partition("_")
    if kind == "ReplaceBinaryOperator":
        to_numbers = before in ARITHMETIC and after in FLOAT_ARITHMETIC
        return to_numbers or (before in BITS and after in BITS)
    if kind == "ReplaceComparisonOperator":
        return (before in IDENTITY) == (after in IDENTITY)
    if kind == "ReplaceUnaryOperator":
        return before == "Delete"  # `+x` is the same as `x`, and `not 1` is 0
    return kind not in ("RemoveDecorator", "ExceptionReplacer")


def mutants_of(path: str, source: str) -> list[Mutant]:
    """All mutants of a file, in the order of the lines; in kernels each line gets one."""
    found = _made_by(operators(), path, source)
    if "kernels" in path:
        bare = [s for s in statements(source) if not any(s[0] <= m.start[0] <= s[1] for m in found)]
        spare = _made_by(LAST_RESORT, path, source)
        found += [m for m in spare if any(a <= m.start[0] <= b for a, b in bare)]
    return sorted(found)


def sample(found: list[Mutant], source: str, per_line: int) -> list[Mutant]:
    """Up to so many of each line, the same ones at every run; 0: all. A smaller one is part of a
    larger one, and a line that only moves keeps its own."""
    if not per_line:
        return found
    lines = source.splitlines()
    by_line: dict[int, list[Mutant]] = {}
    for mutant in found:
        by_line.setdefault(mutant.start[0], []).append(mutant)

    def lot(mutant: Mutant) -> bytes:
        what = mutant.operator, mutant.start[1], mutant.end[1], lines[mutant.start[0] - 1].strip()
        return hashlib.sha256(repr(what).encode()).digest()

    return sorted(m for of_line in by_line.values() for m in sorted(of_line, key=lot)[:per_line])


def _made_by(chosen: dict[str, Operator], path: str, source: str) -> list[Mutant]:
    tree = get_ast(source)
    unread = unread_spans(source)
    found = []
    for name, operator in chosen.items():
        positions = (
            (node, start, end)
            for node in ast_nodes(tree)
            for start, end in operator.mutation_positions(node)
        )
        for occurrence, (node, start, end) in enumerate(positions):
            if not (any(a <= start < b for a, b in unread) or is_idle(name, node)):
                found.append(Mutant(path, start, end, name, occurrence))
    return found


def unread_spans(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations and decorators stand: nothing reads them when JIT is off."""
    spans = []
    for node in ast.walk(ast.parse(source)):
        outside: list[ast.expr | None] = []
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            outside += node.decorator_list
        if isinstance(node, ast.FunctionDef):
            outside.append(node.returns)
        if isinstance(node, ast.AnnAssign | ast.arg):
            outside.append(node.annotation)
        spans += [
            ((e.lineno, e.col_offset), (e.end_lineno or 0, e.end_col_offset or 0))
            for e in outside
            if e is not None
        ]
    return spans


def is_idle(operator: str, node: NodeOrLeaf) -> bool:
    """Whether a change of this node says nothing.

    A number that is the same with one more or less, the axis of a shape of one axis, and the star
    before keyword arguments, which is no product.
    """
    if operator != "NumberReplacer":
        return node.parent is not None and node.parent.type == "parameters"
    value = ast.literal_eval(node.value)
    shape = node.parent.type == "trailer" and node.parent.get_previous_sibling()
    return value + 1 == value or bool(shape and shape.get_code().endswith(".shape"))


def mutated(source: str, mutant: Mutant) -> str:
    """The file with the change."""
    operator = (operators() | LAST_RESORT)[mutant.operator]
    code = mutate_code(source, operator, mutant.occurrence)
    if code is None:
        raise LookupError(f"{mutant} is not in this source")
    ast.parse(code)  # a SyntaxError would be a kill that proves nothing
    return str(code)


def statements(source: str) -> Iterator[tuple[int, int]]:
    """First and last line of each statement that runs; of an `if` or a loop only its head.

    Without imports, docstrings, definitions and bare annotations.
    """
    silent = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.stmt) or isinstance(node, silent):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.AnnAssign) and node.value is None:
            continue
        body = getattr(node, "body", None)
        last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
        yield node.lineno, max(node.lineno, last)
