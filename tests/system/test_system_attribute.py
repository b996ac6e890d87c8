"""`vppd attribute` from outside: words and JSON, a stretch of a journal, gaps, what is refused."""

import json

import numpy as np
import pytest
from test_system_score import SECONDS, SOLD_MW, agc_pu, journal_of, plant_mw, vppd


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    return journal_of(tmp_path_factory.mktemp("attribute") / "journal")


def attributed(journal, *arguments):
    found = vppd("attribute", journal, "--json", *arguments)
    assert found.exit_code == 0, found.output
    return json.loads(found.output)


def test_the_loss_is_that_of_the_series_and_the_parts_sum_to_it(journal):
    """The plant is 3 s late and 5 % short; each tick counts for the second until the next."""
    found = attributed(journal)
    k = np.arange(SECONDS)
    off_mw = SOLD_MW * np.clip(agc_pu(k), -1.0, 1.0) - plant_mw(k)
    assert found["loss_mws"] == pytest.approx(np.abs(off_mw).sum(), abs=1e-6)
    assert found["short_mws"] == pytest.approx(np.maximum(off_mw, 0.0).sum(), abs=1e-6)
    assert found["accuracy_pct"] == pytest.approx(100.0 * (1 - np.abs(off_mw).mean() / SOLD_MW))
    assert (found["known_s"], found["unknown_s"]) == (SECONDS, 0.0)
    of_causes = sum(part["mws"] for part in found["by_cause"].values())
    of_units = sum(part["mws"] for part in found["by_unit"].values())
    of_units += sum(found["plant"].values())
    assert of_causes == pytest.approx(found["loss_mws"], abs=1e-6)
    assert of_units == pytest.approx(found["loss_mws"], abs=1e-6)
    assert list(found["by_unit"]) == ["u0", "u1", "u2"]
    for unit in found["by_unit"].values():
        assert sum(unit["causes"].values()) == pytest.approx(unit["mws"], abs=1e-9)


def test_a_stretch_and_the_rest_are_the_whole(journal):
    whole, first, rest = (
        attributed(journal, *arguments)
        for arguments in ((), ("--until", "+300.5"), ("--since", "+300.5"))
    )
    assert (first["known_s"], rest["known_s"]) == (300.5, SECONDS - 300.5)
    for cause, part in whole["by_cause"].items():
        parts_mws = first["by_cause"][cause]["mws"] + rest["by_cause"][cause]["mws"]
        assert parts_mws == pytest.approx(part["mws"], abs=1e-6)


def test_the_table_names_causes_and_units(journal):
    lines = vppd("attribute", journal).output.splitlines()
    assert lines[1].startswith("lost ")
    found = attributed(journal)
    accuracy = next(line for line in lines if line.startswith("accuracy"))
    assert accuracy == f"accuracy {found['accuracy_pct']:.3f} % of {SOLD_MW:g} MW sold"
    (total,) = (line.split() for line in lines if line.startswith("sum "))
    assert float(total[1]) == pytest.approx(found["loss_mws"], abs=1e-3)
    assert total[2] == "100.00"
    assert {line.split()[0] for line in lines if line.startswith("u")} >= {"u0", "u1", "u2"}


def test_time_without_ticks_or_without_a_reading_is_not_counted(tmp_path):
    def unread(k, image):
        power_mw = image.p_meas_mw.copy()
        power_mw[1] = np.nan if 100 <= k < 110 else power_mw[1]
        return image.__class__(**{
            name: getattr(image, name) for name in image.__slots__
        } | {"p_meas_mw": power_mw})  # fmt: skip

    found = attributed(journal_of(tmp_path / "journal", unread, skip=range(500, 520)))
    # Of the gap from 499 to 520 the first second is known: the tick counts for its period.
    assert found["unknown_s"] == pytest.approx(10.0 + 20.0)
    assert found["known_s"] == pytest.approx(SECONDS - 30.0)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--since", "soon"), 2, "no instant"),
        (("--since", "+500", "--until", "+400"), 2, "nothing of the journal lies between"),
        (("--since", "#5"), 2, "is a tick"),
    ],
)
def test_what_is_refused(journal, arguments, code, message):
    found = vppd("attribute", journal, *arguments)
    assert found.exit_code == code
    assert message in found.output


def test_no_journal(tmp_path):
    assert vppd("attribute", tmp_path / "none").exit_code == 3
