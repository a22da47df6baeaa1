"""What all tests share."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from potwright.potentials import Committee
from potwright.potentials.mace import quiet_import
from potwright.potentials.model_file import ModelFile


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shared", type=Path, default=None, help="folder of reference data")


def pytest_configure() -> None:
    gc.set_threshold(100_000, 50, 100)  # a thirtieth of the time of all tests


@pytest.fixture
def shared_data(request: pytest.FixtureRequest) -> Path:
    """The folder of reference data; tests that need it are skipped where it is not given."""
    folder = request.config.getoption("--shared")
    if folder is None:
        pytest.skip("needs reference data: pytest --shared=PATH")
    return Path(request.config.invocation_params.dir, folder).resolve()


@pytest.fixture(scope="session")
def built_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Callable[[Path], object]], Path]:
    """Builds a folder once for all processes of a test run; the others wait, and look at it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def build(name: str, how: Callable[[Path], object]) -> Path:
        folder, done = root / name, root / f"{name}.done"
        with FileLock(root / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of one that failed
                how(folder)
                done.touch()
        return folder

    return build


@pytest.fixture(scope="session")
def program() -> Callable[..., str]:
    """Finds a program under one of its names.

    Without it, tests that need it are skipped; or they fail, if POTWRIGHT_REQUIRE_PROGRAMS is set.
    """

    def find(*names: str) -> str:
        found = next(filter(None, map(shutil.which, names)), None)
        if found is None and os.environ.get("POTWRIGHT_REQUIRE_PROGRAMS"):
            pytest.fail(f"POTWRIGHT_REQUIRE_PROGRAMS is set, and there is no {names[0]}")
        return found or pytest.skip(f"needs {names[0]}")

    return find


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Parameters of an executor for the Slurm that runs here (`.ci/slurm start`).

    Without one, tests that need it are skipped; or they fail, if POTWRIGHT_REQUIRE_SLURM is set.
    """
    try:
        subprocess.run(["sinfo"], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        if os.environ.get("POTWRIGHT_REQUIRE_SLURM"):
            pytest.fail(f"POTWRIGHT_REQUIRE_SLURM is set, and there is no Slurm: {error}")
        pytest.skip("needs a running Slurm: .ci/slurm start")
    return {
        "type": "slurm",
        "jobs": 2,
        "partition": "cpu",
        "memory_gb": 1,
        "walltime_hours": 0.2,
        "interface": "lo",
        # by which a test tells its jobs from those of tests that run beside it
        "directives": [f"--comment=test-{os.getpid()}"],
        "log_folder": str(tmp_path_factory.mktemp("slurm")),
        "start_timeout_minutes": 3,
    }


@pytest.fixture(scope="session")
def gpu() -> str:
    """The first GPU. Without one, tests that need it are skipped."""
    import torch

    return "cuda:0" if torch.cuda.is_available() else pytest.skip("needs a GPU")


@pytest.fixture(scope="session")
def untrained_mace() -> Callable[..., ModelFile]:
    """Writes a small MACE model with random weights: a smooth surface, whatever its shape."""

    def write(
        path: Path, seed: int, atomic_energies: dict[int, float], scale: float = 1.0
    ) -> ModelFile:
        with quiet_import():
            import torch
            from mace import modules  # before e3nn, which cannot read its own tables otherwise
        from e3nn import o3

        torch.manual_seed(seed)
        interaction = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = modules.ScaleShiftMACE(
                r_max=4.0,
                num_bessel=4,
                num_polynomial_cutoff=5,
                max_ell=1,
                interaction_cls=interaction,
                interaction_cls_first=interaction,
                num_interactions=1,
                num_elements=len(atomic_energies),
                hidden_irreps=o3.Irreps("4x0e"),
                MLP_irreps=o3.Irreps("4x0e"),
                atomic_energies=np.array(list(atomic_energies.values())),
                avg_num_neighbors=12,
                atomic_numbers=list(atomic_energies),
                correlation=1,
                gate=torch.nn.functional.silu,
                radial_MLP=[4],
                atomic_inter_scale=scale,
                atomic_inter_shift=0.0,
            ).to(torch.float64)
            torch.save(model, path)
        return ModelFile(path, "mace")

    return write


@pytest.fixture(scope="session")
def untrained_committee(tmp_path_factory, untrained_mace) -> Committee:
    """Three such models for copper."""
    folder = tmp_path_factory.mktemp("untrained_committee")
    members = tuple(
        untrained_mace(folder / f"{seed}.model", seed, {29: 0.0}, scale=3.0) for seed in (1, 2, 3)
    )
    return Committee(members)


@dataclass(frozen=True)
class VizServer:
    """A Kedro-Viz that runs."""

    port: int

    def get(self, path: str) -> Any:
        """What its interface answers."""
        address = f"http://127.0.0.1:{self.port}/api/{path}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            return json.load(answer)

    def answers(self) -> bool:
        try:
            self.get("main")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return True


@pytest.fixture(scope="session")
def viz_server() -> Callable[..., AbstractContextManager[VizServer]]:
    """Runs ``kedro COMMAND`` in a folder, which starts Kedro-Viz, for as long as the context."""

    @contextmanager
    def serve(folder: Path, *command: str, seconds: float = 120) -> Iterator[VizServer]:
        server = VizServer(_free_port())
        process = subprocess.Popen(
            [sys.executable, "-m", "kedro", *command, "--no-browser", "--port", str(server.port)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + seconds
            while not server.answers():
                assert time.monotonic() < deadline, "Kedro-Viz did not start"
                time.sleep(0.5)
            yield server
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    return serve


def _free_port() -> int:
    """One that no other process of the test run looks at."""
    first = 4200 + 100 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for number in range(first, first + 100):  # Kedro-Viz refuses what the system hands out
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", number)):
                return number
    raise RuntimeError("no free port")
