"""Quantum ESPRESSO itself, and a small family of Debian's pseudopotentials."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk

from potwright.quantum import QuantumEspressoEngine

DEBIAN = Path("/usr/share/espresso/pseudo")
FILES = {
    "C": "C.pbe-rrkjus.UPF",
    "Fe": "Fe.pbe-nd-rrkjus.UPF",
    "H": "H.pbe-kjpaw.UPF",
}
MPIRUN = "/usr/bin/mpirun"  # not that of the Python package mpich, which cannot start this pw.x


def write_family(path: Path, folder: Path, files: dict[str, str], cutoffs=(30.0, 240.0)) -> None:
    """A JSON file as SSSP has it."""
    entries = {
        symbol: {
            "filename": name,
            "md5": hashlib.md5((folder / name).read_bytes()).hexdigest(),
            "cutoff_wfc": cutoffs[0],
            "cutoff_rho": cutoffs[1],
            "pseudopotential": "test",
        }
        for symbol, name in files.items()
    }
    path.write_text(json.dumps(entries))


@pytest.fixture(scope="session")
def debian_family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The JSON file; skips where pw.x is not installed, fails where it must be."""
    if not (shutil.which("pw.x") and DEBIAN.is_dir()):
        _lacking("quantum-espresso quantum-espresso-data")
    path = tmp_path_factory.mktemp("family") / "family.json"
    write_family(path, DEBIAN, FILES)
    return path


def _lacking(packages: str) -> None:
    message = f"needs Quantum ESPRESSO: apt-get install {packages}"
    if os.environ.get("POTWRIGHT_REQUIRE_QE"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(params=["serial", "mpi"])
def command(request: pytest.FixtureRequest) -> str:
    """pw.x alone, and two processes of it."""
    return "pw.x" if request.param == "serial" else request.getfixturevalue("mpi_command")


@pytest.fixture
def mpi_command() -> str:
    """pw.x on two processes."""
    if not Path(MPIRUN).exists():
        _lacking("openmpi-bin")
    return f"{MPIRUN} --oversubscribe -np 2 pw.x"


@pytest.fixture
def espresso(debian_family: Path, tmp_path: Path) -> Callable[..., QuantumEspressoEngine]:
    """Engines that run the real pw.x; coarse by default: two k-points along a diamond's axes."""

    def engine(**fields) -> QuantumEspressoEngine:
        given = {
            "pseudopotential_folder": DEBIAN,
            "pseudopotential_family": debian_family,
            "species": ["C"],
            "protocol": "fast",
            "kpoint_distance_per_angstrom": 1.7,
            # Debian's 6.7 can take a wrong Fermi level for diamond with cold smearing, see verify
            "smearing": "gaussian",
            "scratch_folder": tmp_path / "scratch",
            **fields,
        }
        return QuantumEspressoEngine(**given)

    return engine


@pytest.fixture
def paper_engine(tmp_path: Path) -> Callable[..., QuantumEspressoEngine]:
    """Engines that never run, with files that stand for pseudopotentials."""
    folder = tmp_path / "pseudo"
    folder.mkdir()
    for symbol in ("C", "Fe", "O", "Te"):
        (folder / f"{symbol}.UPF").write_text(f"pseudopotential of {symbol}")
    write_family(folder / "family.json", folder, {s: f"{s}.UPF" for s in ("C", "Fe", "O")})

    def engine(**fields) -> QuantumEspressoEngine:
        given = {
            "pseudopotential_folder": folder,
            "species": ["C"],
            "version": "6.7",
            **fields,
        }
        return QuantumEspressoEngine(**given)

    return engine


@pytest.fixture
def diamond() -> Atoms:
    """Two atoms, off their places, so that nothing vanishes by symmetry."""
    atoms = bulk("C")
    atoms.positions[1] += [0.05, 0.02, -0.03]
    return atoms
