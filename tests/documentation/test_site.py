"""The site is built by one command, complete, and fetches nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from potwright.configuration import ProjectParameters

PROJECT = Path(__file__).parents[2]
PARAMETERS = sorted((PROJECT / "conf" / "base").glob("parameters*.yml"))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir"]
    done = subprocess.run(
        [*command, str(folder)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr  # a broken link or anchor, among others
    return folder


@pytest.fixture(scope="module")
def reference() -> str:
    folder = str(PROJECT / "docs" / "site")
    sys.path.insert(0, folder)
    try:
        from reference import reference as make
    finally:
        sys.path.remove(folder)
    return make()


def keys(block: object, above: str = "") -> list[str]:
    """Keys that hold a value, whole."""
    if not isinstance(block, dict) or not block:
        return [above]
    return [k for name, v in block.items() for k in keys(v, f"{above}.{name}" if above else name)]


def test_every_page_is_there_and_nothing_comes_from_elsewhere(site):
    pages = [path.stem for path in (PROJECT / "docs").glob("*.md")]
    for name in (*pages, "parameters"):
        page = site / ("index.html" if name == "index" else f"{name}/index.html")
        html = page.read_text()
        fetched = re.findall(r'<(?:script|img)[^>]* src="(https?:[^"]*)"', html)
        fetched += re.findall(r'<link[^>]* rel="stylesheet"[^>]* href="(https?:[^"]*)"', html)
        assert not fetched, page
    assert not (site / "site").exists()
    menu = (PROJECT / "mkdocs.yml").read_text()
    assert [name for name in pages if f": {name}.md" not in menu] == []


def test_the_reference_has_every_parameter_of_the_base_configuration(reference):
    rows = set(re.findall(r"^\| `([\w.]+)` \|", reference, re.MULTILINE))
    for path in PARAMETERS:
        for key in keys(yaml.safe_load(path.read_text())):
            parts = key.split(".")
            known = any(".".join(parts[:n]) in rows for n in range(1, len(parts) + 1))
            assert known, f"{path.name}: {key}"
    assert rows.issuperset(f"campaign.{n}" for n in ("max_iterations", "label_budget"))


def test_each_parameter_of_the_base_configuration_is_explained(reference):
    rows = re.findall(r"^\| `([\w.]+)` \|(.*)\|(.*)\| (.*) \|$", reference, re.MULTILINE)
    explained = {key for key, _, _, said in rows if said.strip()}
    given = {k for path in PARAMETERS for k in keys(yaml.safe_load(path.read_text()))}
    shown = {key for key, *_ in rows} & given
    together = {"max_volume_ratio", "max_L", "forces_weight", "stress_weight", "type"}
    silent = {key for key in shown - explained if key.rpartition(".")[2] not in together}
    assert not silent


def test_types_and_blocks_are_those_of_the_models(reference):
    assert "| `training.members` | integer |" in reference
    assert "| `labelling.engine` | block of type `" in reference
    assert "### labelling.engine: quantum_espresso" in reference
    assert (
        "`labelling.engine.kpoint_distance_per_angstrom` | number, or null | null | λ" in reference
    )
    assert set(ProjectParameters.model_fields) == set(re.findall(r"^## (\w+)$", reference, re.M))
