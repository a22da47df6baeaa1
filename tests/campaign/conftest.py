"""Throwaway projects with campaigns of seconds: few copper atoms, EMT, the smallest MACE."""

from __future__ import annotations

import io
import json
import shutil
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pandas as pd
import pytest
import yaml
from ase.build import bulk
from commands import SECONDS, Command, start_kedro

from potwright.pes import PESData
from potwright.potentials import load_committee
from potwright.uncertainty import Predictions

ROOT = Path(__file__).parents[2]

PARAMETERS: dict[str, Any] = {
    "seed": 1,
    "campaign": {"max_iterations": 2},
    "augmentation": {
        "copies": 8,
        "supercells": {"enabled": False},
        "strain": {"max_compressive_strain": 0.03, "max_tensile_strain": 0.05},
        "rattle": {"rattle_fraction": 0.1},
        "vacancies": {"enabled": False},
        "clusters": {"enabled": False},
        "slabs": {"enabled": False},
        "isolated_atoms": {"enabled": False},
    },
    "labelling": {
        "engine": {
            "type": "ase",
            "calculator": "counted.CountedEMT",
            "supported_elements": ["Cu"],
        },
        "executor": {"type": "serial"},
    },
    "training": {
        "members": 2,
        "start": {"type": "warm"},
        "trainer": {
            "optimiser_steps": 10,
            "settings": {
                "r_max": 3.5,
                "max_ell": 1,
                "max_L": 0,
                "num_channels": 8,
                "num_interactions": 1,
                "correlation": 1,
                "radial_MLP": "[8, 8]",
                "loss": "stress",
                "eval_interval": 5,
                "default_dtype": "float32",
            },
        },
        "executor": {"type": "serial"},
    },
    "exploration": {
        "n_starts": 3,
        "duration_ps": 0.02,
        "frame_interval_ps": 0.005,
        "design": {"temperature_range_kelvin": [300, 600]},
        "executor": {"type": "serial"},
    },
    "evaluation": {
        "selection": {"max_selected": 6},
        "audit": {"minimum": 2},
        "executor": {"type": "serial"},
    },
    # seconds of each iteration; the tests of reports switch on what they look at
    "reporting": {
        "enabled": False,
        "descriptor_map": {"enabled": False},
        "sorep_map": {"enabled": False},
    },
}

COUNTED = '''
"""EMT that leaves a line for each calculation, and takes its time."""

import os
import time
from pathlib import Path

from ase.calculators.emt import EMT

PROJECT = Path(__file__).parents[1]


class CountedEMT(EMT):
    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        with (PROJECT / "calculations.txt").open("a") as file:
            file.write(f"{os.getpid()}\\n")
        time.sleep(0.1)
        super().calculate(atoms, properties, system_changes)
'''

SABOTAGE = '''
"""A Kedro plugin that kills the whole command just before a node that a file names."""

import os
import signal
from pathlib import Path

from kedro.framework.hooks import hook_impl

WHERE = Path(__file__).parents[1] / "kill_before.txt"


class Sabotage:
    @hook_impl
    def before_node_run(self, node):
        nodes = WHERE.read_text().split() if WHERE.exists() else []
        if node.name in nodes:
            WHERE.write_text("\\n".join(n for n in nodes if n != node.name))
            os.killpg(os.getpgid(0), signal.SIGKILL)


hooks = Sabotage()
'''


@dataclass(frozen=True)
class Project:
    """A project folder, and what a user does with it and sees of it."""

    folder: Path
    env: str = "tiny"

    # ---------------------------------------------------------------- what a user does

    def start(self, *arguments: str) -> Command:
        """Start ``kedro ARGUMENTS`` as the head of a process group."""
        return start_kedro(self.folder, *arguments, "--env", self.env)

    def kedro(self, *arguments: str) -> tuple[int, str]:
        """Run ``kedro ARGUMENTS``; exit status and output."""
        command = self.start(*arguments)
        return command.wait(), command.output

    def succeed(self, *arguments: str) -> str:
        """Run ``kedro ARGUMENTS``, which has to succeed; output."""
        status, output = self.kedro(*arguments)
        assert status == 0, output
        return output

    def kill_when(
        self, condition: Callable[[], bool], *arguments: str, only_parent: bool = False
    ) -> None:
        """Start ``kedro ARGUMENTS`` and kill it as soon as a condition holds."""
        command = self.start(*arguments)
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert command.poll() is None, command.output
            assert time.monotonic() < deadline, "what the test waits for never happened"
            time.sleep(0.01)
        command.kill(only_parent)

    def configure(self, changes: dict[str, Any], name: str = "parameters") -> None:
        """Change the environment's parameters (or another file), key by key."""
        path = self.folder / "conf" / self.env / f"{name}.yml"
        before = yaml.safe_load(path.read_text()) if path.exists() else {}
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(_merged(before, changes)))

    def copy(self, folder: Path) -> Project:
        """Another project with all that this one has."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder, self.env)

    # ---------------------------------------------------------------- what a user sees

    @property
    def campaign(self) -> str:
        return yaml.safe_load((self.folder / "conf" / self.env / "globals.yml").read_text())[
            "campaign"
        ]

    @property
    def calculations(self) -> int:
        """How often the engine was called."""
        path = self.folder / "calculations.txt"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def records(self) -> list[dict[str, Any]]:
        """Run records of the campaign's iterations, in order."""
        runs = sorted((self.folder / "data/08_reporting" / self.campaign / "runs").glob("*.json"))
        records = [json.loads(path.read_text()) for path in runs]
        return [record for record in records if "iteration" in record]

    def running(self) -> str | None:
        """The node that runs now."""
        records = self.records()
        return records[-1].get("running") if records else None

    def versions(self, name: str) -> list[str]:
        """Versions of a dataset, oldest first."""
        return sorted(p.name for p in self._place(name).iterdir() if not p.name.startswith("."))

    def path(self, name: str, version: str) -> Path:
        """Where a version of a dataset lies."""
        return self._place(name) / version / name

    def structures(self, name: str, version: str) -> PESData:
        """A version of one of the datasets of structures."""
        return PESData.read(self.path(name, version))

    def document(self, name: str, version: str) -> dict[str, Any]:
        """A version of one of the JSON reports."""
        return json.loads(self.path(name, version).read_text())

    def finished(self, workspace: str) -> dict[str, int]:
        """What a workspace holds, with the time when each was made."""
        folder = self.folder / "data" / workspace.format(self.campaign)
        found = folder.iterdir() if folder.is_dir() else []
        return {p.name: p.stat().st_mtime_ns for p in found if not p.name.startswith(".")}

    def members(self) -> dict[str, int]:
        return self.finished("06_models/{}/workspace")

    def trajectories(self) -> dict[str, int]:
        return self.finished("07_model_output/{}/exploration_workspace")

    def open_everything(self) -> None:
        """Read every dataset that is there, all of it."""
        readers = {".json": json.loads, ".csv": lambda text: pd.read_csv(io.StringIO(text))}
        for path in (self.folder / "data").glob(f"*/{self.campaign}/*/*/*"):
            if path.name.startswith(".") or "evaluation_workspace" in path.parts:
                continue
            if path.name == "committee":
                models = [*path.glob("*.model"), *path.glob("*.pt")]
                assert len(load_committee(path)) == len(models)
            elif path.name == "predictions.h5":
                assert np.isfinite(Predictions.read(path).forces).all()
            elif path.suffix == ".h5":
                assert np.isfinite(PESData.read(path).positions).all()
            elif path.suffix in readers:
                assert len(readers[path.suffix](path.read_text()))

    def files(self) -> set[str]:
        """All that Potwright made, as paths below ``data``."""
        data = self.folder / "data"
        made = {str(p.relative_to(data)) for p in data.rglob("*") if p.is_file()}
        return {path for path in made if not path.startswith("01_raw")}

    def _place(self, name: str) -> Path:
        (place,) = (self.folder / "data").glob(f"*/{self.campaign}/{name}")
        return place


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    if "type" in new and new["type"] != old.get("type"):  # a block of another kind begins anew
        return new
    both = {
        key: _merged(old[key], value)
        for key, value in new.items()
        if isinstance(value, dict) and isinstance(old.get(key), dict)
    }
    return {**old, **new, **both}


def make_project(folder: Path) -> Project:
    """A project with two copper crystals as input, and the shipped configuration below its own."""
    structures = folder / "data" / "01_raw" / "structures"
    source = folder / "src"
    plugin = source / "sabotage-1.0.dist-info"
    for needed in (structures, plugin, folder / "conf" / "local"):
        needed.mkdir(parents=True)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "conf" / "base", folder / "conf" / "base")
    shutil.copy(ROOT / "conf" / "logging.yml", folder / "conf")
    (source / "counted.py").write_text(COUNTED)
    (source / "sabotage.py").write_text(SABOTAGE)
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: sabotage\nVersion: 1.0\n")
    entry = "[kedro.hooks]\nsabotage = sabotage:hooks\n"
    (plugin / "entry_points.txt").write_text(textwrap.dedent(entry))
    ase.io.write(structures / "fcc.xyz", bulk("Cu", cubic=True))
    ase.io.write(structures / "bcc.xyz", bulk("Cu", "bcc", a=2.9, cubic=True) * (1, 1, 2))
    project = Project(folder)
    project.configure(PARAMETERS)
    project.configure({"campaign": "tiny"}, name="globals")
    return project


@pytest.fixture(scope="session")
def make() -> Callable[[Path], Project]:
    """Makes a project in a folder that does not exist yet."""
    return make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in which nothing has run."""
    return make_project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(built_once: Callable[..., Path]) -> Project:
    """A campaign of two iterations, with trial runs in between; tests only look at it."""

    def build(folder: Path) -> None:
        project = make_project(folder)
        project.succeed("campaign", "run", "--max-iterations", "1")
        for stages in ("augmentation", "evaluation"):
            project.succeed("run", "--pipelines", stages, "--params", "seed=999")
        project.configure({"reporting": {"enabled": True}})
        project.succeed("campaign", "run", "--max-iterations", "1")

    return Project(built_once("finished_campaign", build))


@pytest.fixture
def finished_copy(finished: Project, tmp_path: Path) -> Iterator[Project]:
    """The same, for tests that go on with it."""
    yield finished.copy(tmp_path / "project")
