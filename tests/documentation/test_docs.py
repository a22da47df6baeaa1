"""The user guide: its links lead somewhere, its code runs, the settings are explained."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted((PROJECT / "docs").glob("*.md")),
]
WITH_CODE = [
    page for page in PAGES if "```python" in page.read_text() and page.parent.name == "docs"
]
PARAMETERS = sorted((PROJECT / "conf" / "base").glob("parameters*.yml"))
OTHERS = ("slurm", "carbon_*", "wmote2_*")
EXPLAINED = [
    *PARAMETERS,
    *(p for e in OTHERS for p in sorted((PROJECT / "conf").glob(f"{e}/param*"))),
]

# keys that one comment explains together with the key before
EXPLAINED_TOGETHER = {
    ("min_volume_ratio", "max_volume_ratio"),
    ("num_channels", "max_L"),
    ("energy_weight", "forces_weight"),
    ("forces_weight", "stress_weight"),
    ("ema", "ema_decay"),
    ("cores", "threads_per_worker"),
}

NEXT = "<next block>"


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        assert place.exists(), f"{page.name} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors(place), f"{page.name} links to {target}: no such heading"


def test_every_stage_has_a_page():
    """Under its name; that of reporting is called reports. Relabelling is a way of labelling."""
    from potwright.pipeline_registry import register_pipelines

    for stage in set(register_pipelines()) - {"__default__", "relabelling"}:
        name = "reports" if stage == "reporting" else stage
        first = (PROJECT / "docs" / f"{name}.md").read_text().splitlines()[0]
        assert first.removeprefix("# ").startswith(name.capitalize()), stage


def test_every_page_is_in_the_index():
    index = (PROJECT / "docs" / "index.md").read_text()
    for page in (PROJECT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index


@pytest.mark.parametrize(
    "step", ["campaign plan", "campaign run", "campaign report", "run --pipelines validation"]
)
def test_the_tutorial_leads_to_a_tested_potential(step, commands):
    of_mine = [c for c in commands(PROJECT / "docs" / "tutorial.md") if c.endswith("--env mine")]
    assert f"kedro {step} --env mine" in of_mine


def test_pictures_are_well_formed():
    for picture in (PROJECT / "docs" / "images").glob("*.svg"):
        assert ElementTree.parse(picture).getroot().tag.endswith("svg")


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=names(WITH_CODE))
def test_python_runs_and_prints_what_the_page_shows(page, finished, blocks):
    """Blocks continue each other; a block of text after one of Python is what that prints."""
    pairs = [
        (block.text, after.text if after is not None and after.language == "text" else None)
        for block, after in pairwise([*blocks(page), None])
        if block.language == "python"
    ]
    program = f"\nprint({NEXT!r}, end='')\n".join(text for text, _ in pairs)
    for printed, (_, shown) in zip(finished.python(program).split(NEXT), pairs, strict=True):
        assert shown is None or printed == shown, page.name


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_blocks_of_yaml_are_yaml(page, blocks):
    for block in blocks(page):
        if block.language == "yaml":
            assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_settings_of_training_that_a_page_shows_are_valid(page, blocks):
    from potwright.pipelines.training.parameters import TrainingParameters

    for block in blocks(page):
        settings = yaml.safe_load(block.text) if block.language == "yaml" else {}
        if "training" in settings:
            TrainingParameters.model_validate(settings["training"])


@pytest.mark.parametrize("path", EXPLAINED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_parameter_has_a_comment_above_it(path):
    previous, previous_key = "", ""
    for line in map(str.strip, path.read_text().splitlines()):
        found = re.match(r"(\w+):(.*)", line)
        if found:
            key, value = found.group(1), found.group(2).strip()
            explained = previous.startswith("#") or (previous_key, key) in EXPLAINED_TOGETHER
            # a block's keys explain themselves
            assert explained or not value, f"{path.name}: {key} has no comment above it"
            previous_key = key
        previous = line


@pytest.mark.parametrize("path", PARAMETERS, ids=names(PARAMETERS))
def test_every_parameter_of_the_models_is_in_the_base_configuration(path):
    """Whoever reads conf/base sees every parameter that there is."""
    from potwright.configuration import ProjectParameters

    configured = yaml.safe_load(path.read_text())
    whole = ProjectParameters.model_validate({"seed": 1, **configured}).model_dump()
    for name, block in configured.items():
        missing = _missing(whole[name], block, name)
        assert not missing, f"{path.name} lacks {', '.join(missing)}"


def test_the_example_for_a_cluster_names_every_key_of_its_executor():
    from potwright.execution import SlurmExecutor

    path = PROJECT / "conf" / "slurm" / "parameters_labelling.yml"
    block = yaml.safe_load(path.read_text())["labelling"]["executor"]
    assert set(block) == set(SlurmExecutor.model_fields)


def _missing(model: object, configured: object, key: str) -> list[str]:
    if not isinstance(model, dict) or key.endswith((".settings", ".prototypes")):
        return []
    if not isinstance(configured, dict):
        return [key]
    absent = [f"{key}.{name}" for name in model if name not in configured]
    deeper = [
        m
        for name, v in model.items()
        if name in configured
        for m in _missing(v, configured[name], f"{key}.{name}")
    ]
    return absent + deeper
