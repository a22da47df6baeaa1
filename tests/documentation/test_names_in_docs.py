"""Commands, options and keys that the documentation names exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import nbformat
import pytest
import yaml
from kedro.io import AbstractDataset

from potwright.configuration import ProjectParameters
from potwright.errors import InputError
from potwright.parameters import _models_in

PROJECT = Path(__file__).parents[2]
PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    *sorted((PROJECT / "data" / "01_raw").glob("*/README.md")),
    *sorted((PROJECT / "notebooks").glob("*.ipynb")),
]
STAGES = set(ProjectParameters.model_fields) - {"seed"}
GLOBALS = yaml.safe_load((PROJECT / "conf/base/globals.yml").read_text())
FILES = {"py", "yml", "json", "csv"}
WITH_YAML = [page for page in PAGES if "```yaml" in page.read_text()]


def named(page: Path) -> str:
    """A page in the list of tests; several are called README."""
    return str(page.relative_to(PROJECT))


def text_of(page: Path) -> str:
    """What a page says; of a notebook its cells of text, not of code."""
    if page.suffix != ".ipynb":
        return page.read_text()
    cells = nbformat.read(page, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def commands_in(text: str) -> list[str]:
    """Every `kedro …` of a page: lines of shell blocks, and code in running text."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = [re.sub(r"(^|\s+)#.*", "", line) for b in blocks for line in b.splitlines()]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`(kedro [^`]+)`", prose)
    return [line.strip() for line in (*lines, *inline) if re.match(r"\s*kedro ", line)]


@pytest.fixture(scope="module")
def kedro() -> click.Group:
    """All commands of the project: Kedro's own, Kedro-Viz's, and ours before them."""
    from kedro.framework.cli.registry import registry_cli
    from kedro_viz.launchers.cli.main import viz_cli

    from potwright.cli import cli

    return click.CommandCollection(sources=[cli, registry_cli, viz_cli])


def refusal(kedro: click.Group, command: str) -> str:
    """Why a command line cannot be, by its words and options; empty if it can."""
    words = shlex.split(command.replace("…", ""))[1:]
    at: Any = kedro
    while isinstance(at, click.Group | click.CommandCollection):
        name = words.pop(0) if words else ""
        at = at.get_command(click.Context(at), name)
        if at is None:
            return f"no command {name!r}"
    try:
        at.make_parser(click.Context(at)).parse_args(list(words))
    except click.UsageError as error:
        return "" if isinstance(error, click.MissingParameter) else error.format_message()
    return ""


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_exists_with_its_options(page, kedro):
    for command in commands_in(text_of(page)):
        assert not refusal(kedro, command), f"{page.name}: {command}"


def test_commands_that_do_not_exist_are_found(kedro):
    assert "frobnicate" in refusal(kedro, "kedro campaign frobnicate")
    assert "--vebose" in refusal(kedro, "kedro campaign status --vebose")
    assert refusal(kedro, "kedro campaign labels list --limit 3 --env demo") == ""
    assert len(commands_in("`kedro run`\n```sh\nkedro viz run  # look\n```\n")) == 2


@pytest.mark.parametrize("page", WITH_YAML, ids=named)
def test_every_key_of_yaml_exists(page, blocks):
    for block in blocks(page):
        if block.language == "yaml":
            assert not wrong_keys(yaml.safe_load(block.text)), f"{page.name}:\n{block.text}"


def wrong_keys(given: dict[str, Any]) -> list[str]:
    """What is said of the keys and types of a block, a part of globals, catalog or parameters."""
    if given.keys() <= GLOBALS.keys() and not isinstance(given.get("campaign"), dict):
        return []
    parameters = {}
    for name, value in given.items():
        if isinstance(value, dict) and str(value.get("type", "")).startswith("potwright.datasets"):
            AbstractDataset.from_config(name, value)  # refuses what its type does not take
        else:
            parameters[name] = value
    of_any_stage = parameters.keys().isdisjoint(ProjectParameters.model_fields)
    if of_any_stage:  # shown alone, since several stages have it
        parameters = {"labelling": parameters} if parameters else {}
    try:
        ProjectParameters.model_validate({"seed": 1} | parameters)
    except InputError as error:
        return [
            line for line in str(error).splitlines() if "unknown key" in line or "no such" in line
        ]
    return []


def test_keys_that_do_not_exist_are_found():
    assert wrong_keys({"labelling": {"engin": {}}})
    assert wrong_keys({"labelling": {"engine": {"type": "tblite", "metod": "GFN1-xTB"}}})
    assert wrong_keys({"labelling": {"engine": {"type": "no such"}}})
    assert wrong_keys({"executor": {"type": "slurm", "job": 3}})
    assert not wrong_keys({"labelling": {"engine": {"type": "tblite", "method": "GFN1-xTB"}}})


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_dotted_key_in_the_text_exists(page):
    """`labelling.engine.type` and the like: by the whole key, those that begin with a stage."""
    for key in re.findall(r"`((?:\w+\.)+\w+)(?::[^`]*)?`", text_of(page)):
        first, *rest = key.split(".")
        if first not in STAGES or rest[-1] in FILES:
            continue
        models: list[Any] = [ProjectParameters]
        for part in (first, *rest):
            fields = [m.model_fields[part] for m in models if part in m.model_fields]
            assert fields or not models, f"{page.name}: {key} has no {part}"
            models = [m for field in fields for m in _models_in(field.annotation)]
