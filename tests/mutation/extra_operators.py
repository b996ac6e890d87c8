"""Operators that cosmic-ray lacks: without them many lines of a kernel have no mutant.

It changes neither `total += x` nor a statement that only stores a value. The last three are of
last resort: `mutants.py` takes them where a line of a kernel has no other mutant.
"""

from collections.abc import Iterator

import parso
from cosmic_ray.operators.operator import Example, Operator
from parso.tree import NodeOrLeaf

Position = tuple[tuple[int, int], tuple[int, int]]
SWAPPED = {"+=": "-=", "-=": "+=", "|=": "&=", "&=": "|="}


class SwapAugmentedAssignment(Operator):
    """`x += y` becomes `x -= y`; `|=` and `&=` change places."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        if node.type == "operator" and node.value in SWAPPED:
            yield node.start_pos, node.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        node.value = SWAPPED[node.value]
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("x += y", "x -= y"),)


class DeleteStatement(Operator):
    """A statement becomes `pass`: a store, a call, a return.

    Not a first binding of a name: a NameError would be a kill that proves nothing.
    """

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        if _deletable(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        nothing = parso.parse("pass").get_first_leaf()
        nothing.prefix = node.get_first_leaf().prefix
        return nothing

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("def f(x):\n    return x\n", "def f(x):\n    pass\n"),)


class NegateStored(Operator):
    """`x = a[i]` becomes `x = -(a[i])`, where what is stored is one name, entry or conversion."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        value = _stored(node)
        if value is not None and value.type in ("name", "atom_expr"):
            call = value.children[-1] if value.type == "atom_expr" else None
            if call is None or call.children[1].type != "arglist":
                yield value.start_pos, value.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        node.children[-1] = parso.parse(f" -({node.children[-1].get_code().strip()})")
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("def f(x):\n    y = x", "def f(x):\n    y = -(x)"),)


class SwapLast(Operator):
    """`x = f(a, b, c)` becomes `x = f(a, c, b)`, and `x, y = a, b` becomes `x, y = b, a`."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        value = _stored(node)
        if value is not None and _row(value) is not None:
            yield value.start_pos, value.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        row = _row(node.children[-1])
        places = [i for i, child in enumerate(row.children) if child.type != "operator"]
        a, b = places[-2:]
        row.children[a], row.children[b] = row.children[b], row.children[a]
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("def f(x):\n    y = g(x, 1)", "def f(x):\n    y = g( 1,x)"),)


class DoubleNumber(Operator):
    """A number so large that one more or less is the same number: twice as large."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        if node.type == "number" and eval(node.value) + 1 == eval(node.value):  # noqa: S307
            yield node.start_pos, node.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        node.value = repr(2 * eval(node.value))  # noqa: S307  # a literal
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("x = 1e100", "x = 2e+100"),)


def _stored(node: NodeOrLeaf) -> NodeOrLeaf | None:
    """What an assignment in a function stores."""
    if node.type != "expr_stmt" or parso.tree.search_ancestor(node, "funcdef") is None:
        return None
    plain = node.children[1].type == "operator" and node.children[1].value == "="
    return node.children[-1] if plain else None


def _row(value: NodeOrLeaf) -> NodeOrLeaf | None:
    """The arguments of a call, or the items of a tuple without brackets."""
    if value.type == "testlist_star_expr":
        return value
    if value.type == "atom_expr" and value.children[-1].children[1].type == "arglist":
        return value.children[-1].children[1]
    return None


def _deletable(node: NodeOrLeaf) -> bool:
    function = parso.tree.search_ancestor(node, "funcdef")
    if function is None or node.parent is None or node.parent.type != "simple_stmt":
        return False
    if node.type == "return_stmt" or (node.type == "keyword" and node.value == "return"):
        return True
    if node.type in ("atom_expr", "power"):  # a call
        return True
    if node.type != "expr_stmt":
        return False
    return all(_bound_before(name, function) for name in node.get_defined_names())


def _bound_before(name: NodeOrLeaf, function: NodeOrLeaf) -> bool:
    """Whether a name has a value before this statement; True for `a[i] = x` and `x += y`."""
    if name.parent.type == "trailer":
        return True
    if any(p.name.value == name.value for p in function.get_params()):
        return True
    uses = function.get_root_node().get_used_names()[name.value]
    span = function.start_pos, name.start_pos
    return any(u.is_definition() and span[0] < u.start_pos < span[1] for u in uses)
