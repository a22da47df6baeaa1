"""Commands that only look answer at once, because they import nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("command", ["registry list", "campaign status"])
def test_looking_imports_no_heavy_library(command):
    done = subprocess.run(
        [sys.executable, "-m", "kedro", *command.split()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "kedro" in imported
    heavy = {
        "torch",
        "mace",
        "e3nn",
        "metatrain",
        "sklearn",
        "tblite",
        "plotly",
        "scipy",
        "dask",
        "distributed",
    }
    assert not imported & heavy


def test_every_pipeline_is_listed():
    done = subprocess.run(
        [sys.executable, "-m", "kedro", "registry", "list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    listed = {line.removeprefix("- ") for line in done.stdout.split("\n") if line}
    stages = {"augmentation", "labelling", "training", "exploration", "evaluation"}
    assert listed == {*stages, "relabelling", "reporting", "validation", "__default__"}
