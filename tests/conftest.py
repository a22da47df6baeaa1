"""What all tests share."""

from __future__ import annotations

from pathlib import Path

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
