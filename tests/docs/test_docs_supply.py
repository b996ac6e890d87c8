"""What the daemon runs with: the list is whole, and an audit that audited nothing says so."""

import json
import re
import subprocess

import pytest
from blocks import ROOT

TOOLS = ROOT / ".venv" / "audit" / "bin"


@pytest.mark.skipif(not TOOLS.exists(), reason="`make sbom` or `make audit` installs the tools")
def test_the_bill_of_materials_names_every_package_with_its_hashes():
    subprocess.run(["make", "sbom"], cwd=ROOT, check=True, capture_output=True)
    bill = json.loads((ROOT / "build" / "sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    lock = (ROOT / "requirements-run.lock").read_text()
    pinned = dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", lock, re.MULTILINE))
    assert {each["name"]: each["version"] for each in bill["components"]} == pinned
    assert bill["metadata"]["component"]["name"] == "vppd"
    hashed = [each for each in bill["components"] if "hashes" in str(each)]
    assert len(hashed) == len(pinned)


@pytest.mark.timeout(300)
@pytest.mark.skipif(not TOOLS.exists(), reason="`make sbom` or `make audit` installs the tools")
def test_an_audit_is_good_only_where_it_audited():
    told = subprocess.run(["make", "audit"], cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode:
        assert re.search("NOT AUDITED|the audit found what stands above", told.stdout)
    else:
        assert "No known vulnerabilities found" in told.stdout + told.stderr
