"""Whoever follows the README gets what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
README = PROJECT / "README.md"

BY_CI = {"make demo", "make test"}
BY_OTHER_TESTS = {"kedro viz run --env demo": PROJECT / "tests" / "test_viz.py"}


def named_file(text: str) -> str:
    """The file that a block of YAML says it is."""
    return re.match(r"# (\S+)\n", text).group(1)


def test_ci_runs_the_two_commands():
    lines = (PROJECT / ".ci" / "run").read_text().splitlines()
    assert BY_CI.issubset(map(str.strip, lines))


def test_commands_that_are_left_to_other_tests_are_run_there():
    for command, test in BY_OTHER_TESTS.items():
        words = ", ".join(f'"{word}"' for word in command.split()[1:3])
        assert words in test.read_text(), command


@pytest.mark.slow
@pytest.mark.timeout(580)
def test_commands_do_what_they_say(finished, campaign_command, commands, blocks, own_structures):
    assert campaign_command in commands(README)
    outputs = {}
    for command in commands(README):
        if command in {campaign_command, *BY_CI, *BY_OTHER_TESTS}:
            continue
        outputs[command] = finished.shell(command)
        if command.startswith("mkdir"):
            own_structures(finished.folder / command.split()[-1])
        if command.startswith("cp"):
            for block in blocks(README):
                if block.language == "yaml":
                    (finished.folder / named_file(block.text)).write_text(block.text)
    status = outputs["kedro campaign status --env demo"]
    assert "Campaign demo" in status and "Verdict" in status
    assert "structures written to labelled.extxyz" in next(
        text for command, text in outputs.items() if command.startswith("kedro structures export")
    )
    assert "Iteration 1" in outputs["kedro campaign run --env mine"]
    assert (finished.folder / "data" / "03_primary" / "mine").is_dir()


@pytest.mark.slow
def test_python_of_the_readme_runs(finished, blocks):
    for block in blocks(README):
        if block.language == "python":
            assert "isolated_atom" in finished.python(block.text)


def test_the_campaign_of_the_readme_has_a_name_of_its_own(blocks):
    yaml_blocks = {named_file(b.text): b.text for b in blocks(README) if b.language == "yaml"}
    assert "campaign: mine" in yaml_blocks["conf/mine/globals.yml"]
    assert "campaign: demo" in (PROJECT / "conf" / "demo" / "globals.yml").read_text()
