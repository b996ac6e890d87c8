"""Whatever is done to a configuration: it loads, or it is refused with lines. Never a traceback."""

import copy
from typing import Any

import yaml
from config_stubs import GOOD, REGISTRY
from hypothesis import given, settings
from hypothesis import strategies as st

from vppd.config.errors import ConfigError
from vppd.config.load import parse_config
from vppd.config.params import build_params
from vppd.config.schema import Config

SETTINGS = settings(max_examples=300)
TREE = yaml.safe_load(GOOD)
WORDS = ["kind", "link", "id", "type", "driver", "p_max_mw", "plant", "broker", "b1", "pv", "<<"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(WORDS)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Give the path of each key and list item below `tree`."""
    if isinstance(tree, dict):
        items = list(tree.items())
    elif isinstance(tree, list):
        items = list(enumerate(tree))
    else:
        return []
    return [p for key, value in items for p in ((*path, key), *places(value, (*path, key)))]


PLACES = [place for place in places(TREE) if place[0] != "templates"]


def judged(text: bytes | str) -> Config | ConfigError:
    """Load a text; check what a refusal must have."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        return parse_config(text, "any.yaml", REGISTRY)
    except ConfigError as error:
        refused = error
    lines = max(1, len(raw.decode("utf-8", "replace").splitlines()))
    told = [problem.line for problem in refused.problems]
    assert told
    assert told == sorted(told)
    assert 1 <= told[0] <= told[-1] <= lines
    assert all(problem.key and problem.message for problem in refused.problems)
    assert len(str(refused).splitlines()) == len(told)
    return refused


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Give the good configuration with one key replaced, removed or renamed."""
    tree = copy.deepcopy(TREE)
    *path, last = draw(st.sampled_from(PLACES))
    parent = tree
    for step in path:
        parent = parent[step]
    how = draw(st.sampled_from(["replace", "replace", "replace", "remove", "rename", "add"]))
    if how == "replace":
        parent[last] = draw(VALUES)
    elif how == "remove":
        del parent[last]
    elif isinstance(parent, list):
        parent.append(draw(VALUES))
    else:
        name = draw(st.text(max_size=12) | st.sampled_from(WORDS))
        parent[name] = parent.pop(last) if how == "rename" else draw(VALUES)
    return yaml.safe_dump(tree, allow_unicode=draw(st.booleans()))


@SETTINGS
@given(mutated())
def test_one_changed_key_loads_or_is_told_with_its_line(text):
    found = judged(text)
    if isinstance(found, Config):
        params = build_params(found)
        assert len(params.ids) == len(found.fleet) > 0


@SETTINGS
@given(st.data())
def test_one_edit_of_the_text_loads_or_is_told_with_its_line(data):
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(len(GOOD), start + 40)))
    bits = st.text(max_size=5) | st.sampled_from(
        [
            "\n",
            "\t",
            ": ",
            "- ",
            "&a ",
            "*a",
            "<<: *battery\n",
            "{",
            "]",
            "!x ",
            "#",
            "---\n",
            "\x85",
        ]
    )
    judged(GOOD[:start] + "".join(data.draw(st.lists(bits, max_size=4))) + GOOD[end:])


@SETTINGS
@given(st.binary(max_size=200))
def test_bytes_load_or_are_told_with_their_line(text):
    assert isinstance(judged(text), ConfigError)


@SETTINGS
@given(st.from_regex(r"[-+]?[0-9_.:xob,eE+-]{1,8}", fullmatch=True))
def test_a_number_that_loads_is_the_number_that_a_person_reads(written):
    """YAML 1.1 has octal, sexagesimal and more: refused, never turned."""
    text = GOOD.replace("energy_mwh: 10.0", f"energy_mwh: {written}").replace("502", written)
    found = judged(text)
    if isinstance(found, Config):
        assert found.fleet[0].energy_mwh == float(written)
        assert getattr(found.links[0], "port", None) == int(written)
        assert str(int(written)) == written.lstrip("+")
