"""Real calculators by the path of their class: EMT, tblite, DFT by PySCF, one that writes files."""

from __future__ import annotations

import re
import sys
import textwrap
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from potwright.execution import LocalExecutor, run_tasks
from potwright.quantum import ASEEngine, TBLiteEngine, compute_label, try_label

ENGINES = Path(__file__).parents[2] / "docs" / "engines.md"


def by_path(calculator, **fields):
    engine = ASEEngine(type="ase", calculator=calculator, **fields)
    engine.verify()
    return engine


def forces_fit_energies(engine, atoms, place, *, step, within):
    """Compare one component with the difference of energies; give the label."""
    label = compute_label(engine, atoms)
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[place] += sign * step
        energies.append(compute_label(engine, moved).energy)
    derivative = (energies[0] - energies[1]) / (2 * step)
    assert abs(derivative) > 10 * within
    assert label.forces[place] == pytest.approx(-derivative, abs=within)
    return label


def test_emt():
    atoms = bulk("Cu", cubic=True)
    atoms.positions[0] += [0.1, 0.0, 0.05]
    engine = by_path("ase.calculators.emt.EMT", supported_elements=["Cu"])
    label = forces_fit_energies(engine, atoms, (0, 0), step=1e-3, within=1e-4)
    assert label.stress.shape == (6,)


def test_tblite_by_its_path_is_tblite():
    atoms = bulk("C", cubic=True)
    atoms.positions[0] += [0.1, 0.0, 0.05]
    arguments = {"method": "GFN1-xTB", "verbosity": 0, "mixer_damping": 0.1}
    label = compute_label(by_path("tblite.ase.TBLite", arguments=arguments), atoms)
    own = compute_label(TBLiteEngine(), atoms)
    assert label.energy == pytest.approx(own.energy, abs=1e-8)
    assert label.stress == pytest.approx(own.stress, abs=1e-8)


@pytest.fixture
def documented(tmp_path, monkeypatch):
    """A module with the class that the documentation shows, importable here and in workers."""
    pytest.importorskip("pyscf")
    blocks = re.findall(r"^```python\n(.*?)^```$", ENGINES.read_text(), re.DOTALL | re.MULTILINE)
    (block,) = [b for b in blocks if "class GammaPBE" in b]
    (tmp_path / "documented_pyscf.py").write_text(block.partition("\natoms = ")[0])
    monkeypatch.syspath_prepend(tmp_path)
    yield "documented_pyscf.GammaPBE"
    sys.modules.pop("documented_pyscf", None)


def test_dft_by_pyscf_with_gth_pseudopotentials(documented):
    engine = by_path(documented, arguments={"basis": "gth-szv", "cutoff_ry": 80})
    atoms = Atoms("H2", positions=[[0, 0, 0], [0.1, 0, 0.8]], cell=[2.2, 2.2, 2.4], pbc=True)
    label = forces_fit_energies(engine, atoms, (1, 2), step=0.01, within=0.01)
    strained = []
    for sign in (1, -1):
        other = atoms.copy()
        other.set_cell(atoms.cell * [1, 1, 1 + sign * 0.005], scale_atoms=True)
        strained.append(compute_label(engine, other).energy)
    derivative = (strained[0] - strained[1]) / 0.01 / atoms.get_volume()
    assert label.stress[2] == pytest.approx(derivative, rel=0.02)
    failure = try_label(by_path(documented, arguments={"max_iterations": 1}), atoms)
    assert failure.reason == "not_converged"


FILES = '''
"""Writes its input, waits, and reads it again: two that share a directory would mix up."""

import time
from pathlib import Path

import numpy as np
from ase.calculators.calculator import FileIOCalculator

class CountsAtoms(FileIOCalculator):
    implemented_properties = ("energy", "forces")

    def __init__(self, **kwargs):
        super().__init__(command="true", **kwargs)

    def write_input(self, atoms, properties=None, system_changes=None):
        super().write_input(atoms, properties, system_changes)
        Path(self.directory, "input").write_text(str(len(atoms)))
        time.sleep(0.2)

    def read_results(self):
        atoms = int(Path(self.directory, "input").read_text())
        self.results = {"energy": float(atoms), "forces": np.zeros((atoms, 3))}
        (Path(__file__).parent / "places").open("a").write(self.directory + "\\n")
'''


def test_calculators_that_write_files_get_a_directory_each(tmp_path, monkeypatch):
    (tmp_path / "counts_atoms.py").write_text(textwrap.dedent(FILES))
    monkeypatch.syspath_prepend(tmp_path)
    engine = by_path("counts_atoms.CountsAtoms")
    structures = [Atoms(f"H{n}", positions=np.eye(3)[:n]) for n in (1, 2, 3)]
    label, two = partial(try_label, engine), LocalExecutor(workers=2)
    outcomes = run_tasks(label, structures, two, description="test")
    assert {o.index: o.value.energy for o in outcomes} == {0: 1.0, 1: 2.0, 2: 3.0}
    places = (tmp_path / "places").read_text().split()
    assert len(set(places)) == 3
    assert not any(Path(place).exists() for place in places)


def test_what_is_declared_is_part_of_the_level_of_theory():
    plain = by_path("ase.calculators.emt.EMT")
    declared = by_path("ase.calculators.emt.EMT", declared={"vasp": "6.4.3"})
    assert plain.level_of_theory().hash != declared.level_of_theory().hash
    assert "declared" not in plain.level_of_theory().settings


ZERO = """
from ase.calculators.emt import EMT

class Mine(EMT):
    pass
"""


def test_the_version_is_that_of_the_package_whatever_its_name(tmp_path, monkeypatch):
    """pip calls some packages otherwise than Python does: scikit-learn is sklearn."""
    installed = tmp_path / "site-packages"
    information = installed / "Zero_Potential-2.1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Name: zero-potential\nVersion: 2.1\n")
    (information / "top_level.txt").write_text("zeropotential\n")
    (installed / "zeropotential.py").write_text(ZERO)
    monkeypatch.syspath_prepend(installed)
    level = by_path("zeropotential.Mine").level_of_theory()
    assert level.exact_version == "2.1"


def test_the_version_of_a_loose_module_is_its_source(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for name, source in (("loose_one", ZERO), ("loose_same", ZERO), ("loose_other", ZERO + "#\n")):
        (tmp_path / f"{name}.py").write_text(source)
    one, same, other = (
        by_path(f"loose_{name}.Mine").level_of_theory().exact_version
        for name in ("one", "same", "other")
    )
    assert one.startswith("source-") and one == same != other
