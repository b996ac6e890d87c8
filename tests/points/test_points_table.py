"""Register tables: the built-in ones against the makers' documents, and every complaint."""

from pathlib import Path

import pytest

from vppd.points.table import TableError, load_table, parse_table

TABLES = Path(__file__).parents[2] / "vppd" / "devices" / "tables"

# Typed from docs/points.md: name -> (address, format, raw, what it means in our units)
EV_HUB = {
    "type_code": (0, [0x4556], 0x4556),
    "state": (1, [1], 1),
    "control": (2, [1], 1),
    "p_meas": (10, [0, 1500], -0.15),
    "p_avail_max": (12, [0, 0], 0.0),  # lowest load
    "p_avail_min": (14, [0, 3300], -0.33),  # highest load
    "energy_absorbed": (20, [0x0001, 0x86A0], -1.0),  # 100,000 of 0.01 kWh, drawn
    "p_setpoint": (100, [0, 1500], -0.15),
    "mode": (102, [1], 1),
    "watchdog": (103, [10], 10.0),
    "fallback": (104, [0, 1650], -0.165),
}
HVAC = {
    "type_code": (200, [0x4843], 0x4843),
    "state": (201, [1], 1),
    "control": (202, [1], 1),
    "p_meas": (210, [0, 0x4316], -0.15),  # 150.0 is 0x43160000
    "p_avail_max": (212, [0, 0x42C8], -0.1),  # 100.0, lowest load
    "p_avail_min": (214, [0, 0x4348], -0.2),  # 200.0, highest load
    "energy_absorbed": (220, [0x86A0, 0x0001], -1.0),
    "p_setpoint": (300, [0, 0x4316], -0.15),
    "mode": (302, [1], 1),
    "watchdog": (303, [10], 10.0),
    "fallback": (304, [0, 0x4316], -0.15),
}


@pytest.mark.parametrize(("name", "document"), [("ev_hub", EV_HUB), ("hvac", HVAC)])
def test_a_built_in_table_is_the_makers_document(name, document):
    table = load_table(TABLES / f"{name}.yaml")
    assert set(table.registers) == set(document)
    for key, (address, words, value) in document.items():
        register = table.registers[key]
        assert (key, register.address) == (key, address)
        assert register.decode(words) == pytest.approx(value, abs=1e-12), key
        assert register.encode(value) == words, key
    assert table.code("state", "ready") == 1
    assert table.code("control", "remote") == 1
    assert table.code("mode", "follow") == 1
    assert table.meaning("state", 2.0) == "fault"
    assert table.meaning("state", 7.0) == "7"
    assert table.code("type_code", "expected") == document["type_code"][2]


def problems(text: str, *required: str) -> list[str]:
    with pytest.raises(TableError) as caught:
        parse_table(text, "t.yaml", required)
    return caught.value.problems


def test_every_problem_is_reported_with_its_line():
    text = """\
word_order: middle_first
gapmax: 3
registers:
  a: {address: 1, format: int32, unit: kWp, scale: -1, sign: 0}
  b: {address: 2, format: int31}
  b: {address: 3}
  c: 3
  d: {address: 70000, format: int16, valus: {}}
  e: {format: int16, values: {on: x}}
  f: {address: 65535, format: int32}
  g: {address: [1], format: {}, scale: .nan}
"""
    assert problems(text, "p_meas") == [
        "t.yaml:2: table.gapmax: unknown key; did you mean gap_max?",
        "t.yaml:1: word_order: must be one of high_first, low_first, is 'middle_first'",
        "t.yaml:4: registers.a.unit: must be one of W, kW, MW, Wh, kWh, MWh, s, pu, %, none,"
        " is 'kWp'",
        "t.yaml:4: registers.a.scale: must be a number above 0, is -1",
        "t.yaml:4: registers.a.sign: must be 1 or -1, is 0",
        "t.yaml:5: registers.b.format: must be one of int16, uint16, int32, uint32, float32,"
        " uint64, is 'int31'",
        "t.yaml:6: registers.b: given twice, first on line 5",
        "t.yaml:7: registers.c: must be a mapping",
        "t.yaml:8: registers.d.valus: unknown key; did you mean values?",
        "t.yaml:8: registers.d.address: must be 0 to 65535, is 70000",
        "t.yaml:9: registers.e.address: missing",
        "t.yaml:9: registers.e.values.on: must be a whole number, is 'x'",
        "t.yaml:10: registers.f.address: must be 0 to 65534, is 65535",
        "t.yaml:11: registers.g.format: must be one of int16, uint16, int32, uint32, float32,"
        " uint64, is 'a mapping'",
        "t.yaml:11: registers.g.address: must be a whole number, is 'a list'",
        "t.yaml:11: registers.g.scale: must be a number above 0, is nan",
        "t.yaml:4: registers.p_meas: missing",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "t.yaml:1: table: is empty"),
        ("- 1", "t.yaml:1: table: must be a mapping"),
        ("gap_max: 1", "t.yaml:1: registers: missing"),
        ("registers: 5", "t.yaml:1: registers: must be a mapping"),
        ("registers: {a: {address: 1, format: int16}", "t.yaml:1: not YAML"),
        (
            "registers:\n  a: {address: 1, format: int32}\n  b: {address: 2, format: int16}",
            "t.yaml:2: registers.b: overlaps a",
        ),
        (
            "registers:\n  a: {address: !!python/name:os.system , format: int16}",
            "t.yaml:2: registers.a.address: must be a whole number",
        ),
    ],
)
def test_a_table_that_is_none(text, problem):
    assert problems(text)[0].startswith(problem)


def test_a_file_that_is_not_there_is_a_problem_of_its_own(tmp_path):
    with pytest.raises(TableError, match="No such file"):
        load_table(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(TableError, match="decode"):
        load_table(tmp_path / "binary.yaml")


def test_a_table_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "registers:\n"
        "  p_meas: {address: 7, format: int16, unit: W, scale: 10}\n"
        "  soc: {address: 9, format: uint16, unit: '%', scale: 0.1}\n",
        encoding="utf-8",
    )
    table = load_table(path, ("p_meas",))
    assert table.registers["p_meas"].decode([0xFFFF]) == pytest.approx(-1e-5)
    assert table.registers["soc"].decode([505]) == pytest.approx(0.505)
    assert (table.gap_max, table.code("p_meas", "x"), table.get("absent")) == (0, None, [])
