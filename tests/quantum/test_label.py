"""Labels are physics: derivatives of the energy, indifferent to where the origin is."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.constraints import FixAtoms

from potwright.quantum import (
    ASEEngine,
    CalculationError,
    TBLiteEngine,
    compute_label,
    failure_reason,
    try_label,
)
from potwright.quantum.label import UnphysicalResultError

# tight, so that noise of the self-consistency stays below that of the differences
TBLITE = TBLiteEngine(accuracy=0.01)
EMT = ASEEngine(type="ase", calculator="ase.calculators.emt.EMT")


def rattled(atoms, scale=0.05, seed=1):
    atoms = atoms.copy()
    atoms.positions += np.random.default_rng(seed).normal(0, scale, atoms.positions.shape)
    return atoms


def sheet():
    return rattled(graphene(size=(2, 2, 1), vacuum=6.0), 0.03)


STRUCTURES = {
    "molecule": (TBLITE, rattled(molecule("H2O"))),
    "crystal": (TBLITE, rattled(bulk("C", cubic=True))),
    "sheet": (TBLITE, sheet()),
    "metal": (EMT, rattled(bulk("Cu", cubic=True) * (2, 1, 1))),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_forces_are_minus_the_derivative_of_the_energy(name):
    engine, atoms = STRUCTURES[name]
    label = compute_label(engine, atoms)
    step = 1e-3
    for atom, axis in ((0, 0), (1, 2)):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[atom, axis] += sign * step
            energies.append(compute_label(engine, moved).energy)
        derivative = (energies[0] - energies[1]) / (2 * step)
        assert label.forces[atom, axis] == pytest.approx(-derivative, abs=2e-4)


def strained(atoms, voigt, amount):
    i, j = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)][voigt]
    strain = np.eye(3)
    strain[i, j] += amount / 2
    strain[j, i] += amount / 2
    atoms = atoms.copy()
    atoms.set_cell(atoms.cell @ strain, scale_atoms=True)
    return atoms


@pytest.mark.parametrize(
    ("name", "components"), [("sheet", (0, 1, 5)), ("crystal", (0, 3)), ("metal", (2, 5))]
)
def test_stress_is_the_derivative_of_the_energy_with_strain_per_volume(name, components):
    engine, atoms = STRUCTURES[name]
    stress = compute_label(engine, atoms).stress
    step = 1e-3
    for voigt in components:
        plus, minus = (
            compute_label(engine, strained(atoms, voigt, s)).energy for s in (step, -step)
        )
        derivative = (plus - minus) / (2 * step) / atoms.get_volume()
        assert stress[voigt] == pytest.approx(derivative, abs=2e-5)


def test_the_stress_of_a_sheet_does_not_depend_on_where_it_lies_along_its_normal():
    atoms = sheet()
    assert atoms.pbc.tolist() == [True, True, False]
    reference = compute_label(TBLITE, atoms)
    for shift in (1.7, 5.3, 6.0):  # the last two across the cell's boundary
        moved = atoms.copy()
        moved.positions[:, 2] += shift
        assert compute_label(TBLITE, moved).stress == pytest.approx(reference.stress, abs=1e-7)


def test_a_molecule_has_no_stress_and_its_cell_does_not_matter():
    atoms = molecule("H2O")
    boxed = atoms.copy()
    boxed.cell = [20, 20, 20]
    label = compute_label(TBLITE, boxed)
    assert label.stress is None
    assert label.energy == pytest.approx(compute_label(TBLITE, atoms).energy, abs=1e-9)


def test_labelling_leaves_the_structure_alone_and_ignores_constraints():
    free, fixed = STRUCTURES["metal"][1].copy(), STRUCTURES["metal"][1].copy()
    fixed.set_constraint(FixAtoms([0]))
    label = compute_label(EMT, fixed)
    assert np.array_equal(label.forces, compute_label(EMT, free).forces)
    assert np.abs(label.forces[0]).max() > 0.01
    assert fixed.calc is None and len(fixed.constraints) == 1


def test_the_energy_is_consistent_with_forces_at_finite_electronic_temperature():
    """A stretched molecule at a high temperature has an entropy, and E ≠ F."""
    engine = TBLiteEngine(accuracy=0.01, electronic_temperature_kelvin=8000.0)
    step, force, energies = 1e-3, 0.0, []
    for distance in (1.6 - step, 1.6, 1.6 + step):
        label = compute_label(engine, Atoms("N2", positions=[[0, 0, 0], [0, 0, distance]]))
        energies.append(label.energy)
        force = label.forces[1, 2] if distance == 1.6 else force
    assert force == pytest.approx(-(energies[2] - energies[0]) / (2 * step), abs=1e-3)


class FreeEnergy(Calculator):
    """Energy and free energy differ, as with smearing; no stress."""

    implemented_properties = ("energy", "free_energy", "forces")

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": -1.0, "free_energy": -2.0, "forces": np.zeros((len(atoms), 3))}


class NotANumber(FreeEnergy):
    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["forces"][0, 0] = np.nan


class Quits(FreeEnergy):
    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        sys.exit(3)


def of_this_module(name):
    return ASEEngine(type="ase", calculator=f"{__name__}.{name}")


def test_where_energy_and_free_energy_differ_the_latter_is_the_label():
    label = compute_label(of_this_module("FreeEnergy"), bulk("Cu"))
    assert label.energy == -2.0
    assert label.stress is None


def test_a_result_that_is_not_finite_is_no_label():
    with pytest.raises(UnphysicalResultError, match="not finite"):
        compute_label(of_this_module("NotANumber"), bulk("Cu"))


def raised_by(engine, atoms):
    try:
        compute_label(engine, atoms)
    except Exception as error:  # noqa: BLE001 - engines raise what they like
        return failure_reason(type(error).__name__, str(error))
    return "none"


def test_failures_are_classified():
    assert raised_by(TBLiteEngine(max_iterations=2), molecule("H2O")) == "not_converged"
    assert raised_by(TBLITE, Atoms("Fr")) == "bad_input"
    assert raised_by(EMT, bulk("Si")) == "bad_input"
    assert raised_by(of_this_module("NotANumber"), bulk("Cu")) == "unphysical"
    assert failure_reason("worker lost", "in each of 3 tries") == "killed"
    killed = "Command 'vasp' died with <Signals.SIGKILL: 9>."
    assert failure_reason("CalledProcessError", killed) == "killed"
    assert failure_reason("RuntimeError", "no idea") == "crash"


def test_what_a_worker_runs_gives_labels_or_failures_and_never_raises():
    water, engine = molecule("H2O"), of_this_module("NotANumber")
    label = try_label(TBLITE, water)
    assert label.energy == compute_label(TBLITE, water).energy
    assert label.host and label.seconds > 0 and not label.recovery and not label.attempts
    failure = try_label(engine, bulk("Cu"))
    assert failure.reason == "unphysical" and failure.host == label.host
    assert failure.message == "UnphysicalResultError: energy or forces are not finite"
    assert "not finite" in failure.details.splitlines()[-1]
    assert failure.attempts == ()  # it knows no recoveries
    assert try_label(of_this_module("Quits"), bulk("Cu")).message == "SystemExit: 3"


@dataclass(frozen=True)
class Ladder:
    """An engine that converges, breaks or does not end, by the name of the recovery."""

    outcomes: dict[str, str]
    recoveries: tuple[str, ...] = ("first", "second", "third")

    def make_calculator(self, structure, recovery):
        outcome = self.outcomes[recovery]
        if outcome != "converges":
            raise CalculationError(outcome, f"{recovery} fails", "last lines")
        return FreeEnergy()


def test_recoveries_are_tried_in_turn_until_one_converges_and_each_is_told():
    rungs = {"": "not_converged", "first": "not_converged", "second": "converges"}
    label = try_label(Ladder(rungs), bulk("Cu"))
    assert label.recovery == "second"
    assert [(a.recovery, a.reason) for a in label.attempts] == [
        ("", "not_converged"),
        ("first", "not_converged"),
    ]
    assert label.attempts[1].details == "last lines"
    hopeless = dict.fromkeys(("", "first", "second", "third"), "not_converged")
    failure = try_label(Ladder(hopeless), bulk("Cu"))
    assert [a.recovery for a in failure.attempts] == ["", "first", "second", "third"]
    assert (failure.reason, failure.message) == ("not_converged", "third fails")
    with pytest.raises(CalculationError, match="third fails"):
        compute_label(Ladder(hopeless), bulk("Cu"))


@pytest.mark.parametrize("reason", ["walltime", "killed", "crash", "bad_input", "unphysical"])
def test_only_what_does_not_converge_is_tried_again(reason):
    failure = try_label(Ladder({"": reason}), bulk("Cu"))
    assert failure.reason == reason and len(failure.attempts) == 1


def test_tblite_prints_nothing(capfd):
    compute_label(TBLITE, molecule("H2O"))
    assert capfd.readouterr() == ("", "")
    assert "tblite" in sys.modules
