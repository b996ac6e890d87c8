"""The reference page and the example files say what the schema and the drivers say."""

import dataclasses
import re
from pathlib import Path

import pytest
from config_stubs import REGISTRY

from vppd.config.build import Shape, shapes_of
from vppd.config.errors import ConfigError
from vppd.config.load import load_config
from vppd.config.params import build_params
from vppd.config.reference import default_text, range_text, render, unit_text, write
from vppd.config.schema import Config, Registry, SiteConfig, UnitConfig
from vppd.config.sections import GuardsConfig

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "configs").glob("*.yaml"))
KEY_WITH_COMMENT = re.compile(r"^\s*(?:- )?#?\s?(\w+):.*?  # (.*)$", re.MULTILINE)


def installed() -> Registry:
    from vppd.runtime.registry import installed

    return installed()


def row(cls: type, key: str) -> str:
    return next(line for line in render(REGISTRY).splitlines() if line.startswith(f"| `{key}` "))


def test_a_row_says_unit_range_default_and_meaning():
    assert row(SiteConfig, "tick_s") == (
        "| `tick_s` | s | at least 0.1, at most 4 | 1 | period of the control tick |"
    )
    assert "| above 0, .inf allowed | .inf |" in row(GuardsConfig, "agc_rate_max_pu_per_s")
    assert "| MW/s | above 0, at most 100000 | required |" in row(UnitConfig, "ramp_up_mw_per_s")
    assert "| list of text | [] |" in row(SiteConfig, "allowed_peers")
    assert "| true or false | false |" in row(SiteConfig, "inverted")
    assert "| MWh | above 0, at most 1000000 | none |" in row(UnitConfig, "energy_mwh")
    assert "| whole, at least 0, at most 247 | required |" in row(UnitConfig, "unit_id")


def test_the_page_has_every_key_of_the_schema_and_of_each_driver(tmp_path):
    write(tmp_path / "config.md", REGISTRY)
    page = (tmp_path / "config.md").read_text()
    for shape in every_key(REGISTRY):
        assert f"| `{shape.name}` |" in page
        assert shape.doc
    for name in (*REGISTRY.links, *REGISTRY.signals):
        assert f"### `type: {name}`" in page
    for name in REGISTRY.devices:
        assert f"### `driver: {name}`" in page


def every_key(registry: Registry) -> list[Shape]:
    """Give the keys of all records a file may have."""
    records: list[type] = [*registry.links.values(), *registry.devices.values()]
    records += [*registry.signals.values(), Config]
    records += [s.kind for s in shapes_of(Config).values() if dataclasses.is_dataclass(s.kind)]
    shapes = [shape for record in records for shape in shapes_of(record).values()]
    inside = [s.kind for s in shapes if s.many and dataclasses.is_dataclass(s.kind)]
    inside = [kind for kind in inside if kind not in records]
    return shapes + [shape for record in inside for shape in shapes_of(record).values()]


def test_the_page_in_docs_is_current():
    """Write it anew with `vppd.config.reference.write(Path("docs/config.md"), installed())`."""
    assert (ROOT / "docs" / "config.md").read_text() == render(installed())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_each_example_loads(path):
    config = load_config(path, installed())
    assert build_params(config).ids


def test_the_reference_file_shows_every_key_with_unit_range_and_default():
    """A key stands there, given or commented out, and its comment begins as the schema says."""
    text = (ROOT / "configs" / "reference.yaml").read_text()
    shown: dict[str, list[str]] = {}
    for key, comment in KEY_WITH_COMMENT.findall(text):
        shown.setdefault(key, []).append(comment)
    sections = {shape.name for shape in shapes_of(Config).values()} | {"device"}
    lacking = [
        f"{shape.name}: {told(shape)}"
        for shape in every_key(installed())
        if shape.name not in sections
        and not any(comment.startswith(told(shape)) for comment in shown.get(shape.name, []))
    ]
    assert lacking == []
    drivers = installed()
    for name in (*drivers.links, *drivers.devices, *drivers.signals):
        assert re.search(rf"\b(?:type|driver): {name}\b", text), name


def told(shape: Shape) -> str:
    """Give how the comment of a key begins."""
    unit = f"{unit_text(shape)}, " if unit_text(shape) else ""
    default = default_text(shape)
    stands = default if default == "required" else f"default {default}"
    return f"{unit}{range_text(shape)}, {stands}; "


@pytest.mark.parametrize("frequency", [True, False])
def test_droop_may_be_configured_where_the_outstation_takes_the_frequency(tmp_path, frequency):
    text = (ROOT / "configs" / "minimal.yaml").read_text()
    port = "port: 20000}"
    assert text.count(port) == 1
    flag = "true" if frequency else "false"
    path = tmp_path / "droop.yaml"
    path.write_text(
        text.replace(port, f"port: 20000, frequency: {flag}}}")
        + "\ndroop: {droop_pu: 0.004, power_mw: 2.0}\n"
    )
    if frequency:
        assert build_params(load_config(path, installed())).droop_enabled
        return
    with pytest.raises(ConfigError, match="needs a signal that brings the frequency"):
        load_config(path, installed())
