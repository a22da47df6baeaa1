"""A throwaway copy of the project, in which what the documentation says is carried out.

The demo's settings are replaced by tiny ones, so that a campaign takes half a minute.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ase.io
import pytest
from ase.build import bulk, fcc111
from commands import Command, start_kedro, start_python

PROJECT = Path(__file__).parents[2]
COPIED = ("conf", "src", "notebooks", "pyproject.toml", ".telemetry")
GENERATED = shutil.ignore_patterns("__pycache__", "*.egg-info", ".ipynb_checkpoints", "local")

TINY = """
campaign: {max_iterations: 1}
augmentation:
  copies: 30
  vacuum: {min_gap_angstrom: 8.0}
  clusters: {enabled: false}
  slabs: {enabled: false}
  supercells: {min_length_angstrom: 2.5, max_atoms: 8}
  strain: {max_compressive_strain: 0.05, max_tensile_strain: 0.05}
  rattle: {rattle_fraction: 0.1}
labelling:
  engine: {type: ase, calculator: ase.calculators.emt.EMT, supported_elements: [Cu]}
  executor: {type: serial}
training:
  members: 2
  trainer:
    epochs: 2
    settings:
      {r_max: 3.0, num_interactions: 1, num_channels: 2, max_L: 0, max_ell: 1, correlation: 1,
       radial_MLP: "[4]", default_dtype: float32}
  executor: {type: serial}
exploration:
  n_starts: 2
  duration_ps: 0.01
  frame_interval_ps: 0.001
  design: {temperature_range_kelvin: [300, 600]}
  executor: {type: serial}
evaluation:
  selection: {max_selected: 4}
  audit: {minimum: 2}
  executor: {type: serial}
reporting:
  sorep_map: {enabled: false}
"""


@dataclass(frozen=True)
class Block:
    """A block of code in a Markdown file."""

    language: str
    text: str


def blocks_of(path: Path) -> list[Block]:
    found = re.findall(r"^```(\w+)\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE)
    return [Block(*match) for match in found]


def commands_of(path: Path) -> list[str]:
    """Every line of every shell block, without its comment."""
    lines = [line for b in blocks_of(path) if b.language == "sh" for line in b.text.splitlines()]
    return [command for line in lines if (command := re.sub(r"(^|\s+)#.*", "", line).strip())]


@pytest.fixture(scope="session")
def blocks() -> Callable[[Path], list[Block]]:
    return blocks_of


@pytest.fixture(scope="session")
def commands() -> Callable[[Path], list[str]]:
    return commands_of


@dataclass(frozen=True)
class Copy:
    """A copy of the project."""

    folder: Path

    def shell(self, command: str, timeout: float = 400) -> str:
        """What a command line prints; it must succeed.

        A command of Kedro's alone is forked from the warm process, others go through a shell.
        """
        words = shlex.split(command)
        if words[0] == "kedro" and "$" not in command:
            return _output(start_kedro(self.folder, *words[1:]), command)
        line = f"source .venv/bin/activate && {command}"
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def python(self, code: str) -> str:
        """What Python code prints, carried out from the project's folder."""
        return _output(start_python(self.folder, code), code)


def _output(command: Command, what: str) -> str:
    """What a command printed, which must succeed."""
    assert command.wait() == 0, f"{what}\n{command.output}"
    return command.output


def copy_project(folder: Path) -> Copy:
    """The project as cloned and installed, with tiny settings for the demo."""
    folder.mkdir(exist_ok=True)
    for name in COPIED:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, folder / name, ignore=GENERATED)
        else:
            shutil.copy(PROJECT / name, folder / name)
    for path in (folder / "conf" / "demo").glob("parameters*.yml"):
        path.unlink()
    (folder / "conf" / "demo" / "parameters.yml").write_text(TINY)
    structures = folder / "data" / "01_raw" / "structures"
    structures.mkdir(parents=True)
    ase.io.write(structures / "copper.extxyz", bulk("Cu", cubic=True))
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.prefix) / "bin")
    return Copy(folder)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy in which nothing has run."""
    return copy_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def campaign_command() -> str:
    """What the README says to run an iteration of the demo."""
    return "kedro campaign run --env demo --max-iterations 1"


@pytest.fixture(scope="session")
def finished(
    built_once: Callable[..., Path], campaign_command: str, tmp_path_factory: pytest.TempPathFactory
) -> Copy:
    """A copy with one iteration of the demo done."""

    def build(folder: Path) -> None:
        output = copy_project(folder).shell(campaign_command)
        assert "Iteration 1" in output
        assert "\nReport: data/08_reporting/demo/report.html/" in output

    folder = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(built_once("finished_demo", build), folder, symlinks=True)
    return Copy(folder)


@pytest.fixture(scope="session")
def own_structures() -> Callable[[Path], None]:
    """Puts a crystal and a sheet into a folder, as a user would."""

    def put(folder: Path) -> None:
        ase.io.write(folder / "crystal.cif", bulk("Cu", cubic=True))
        ase.io.write(folder / "sheet.cif", fcc111("Cu", (2, 2, 1), vacuum=5.0))

    return put
