"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shared", type=Path, default=None, help="folder of reference data")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a folder in one process: they share what takes long to make."""
    for item in items:
        folder = item.path.parent.relative_to(Path(__file__).parent)
        item.add_marker(pytest.mark.xdist_group(str(folder)))


@pytest.fixture
def shared_data(request: pytest.FixtureRequest) -> Path:
    """The folder of reference data; tests that need it are skipped where it is not given."""
    folder = request.config.getoption("--shared")
    if folder is None:
        pytest.skip("needs reference data: pytest --shared PATH")
    return Path(request.config.invocation_params.dir, folder).resolve()
