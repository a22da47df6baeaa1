"""What all tests share."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shared", type=Path, default=None, help="folder of reference data")


@pytest.fixture
def shared_data(request: pytest.FixtureRequest) -> Path:
    """The folder of reference data; tests that need it are skipped where it is not given."""
    folder = request.config.getoption("--shared")
    if folder is None:
        pytest.skip("needs reference data: pytest --shared=PATH")
    return Path(request.config.invocation_params.dir, folder).resolve()


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
