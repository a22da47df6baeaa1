"""Unseen structures: what is counted apart, and errors of what is left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from potwright.pes import PESData
from potwright.pipelines.validation import generalisation
from potwright.pipelines.validation.generalisation import outliers
from potwright.pipelines.validation.parameters_crystals import OutlierParameters
from potwright.pipelines.validation.surfaces import Surface
from potwright.uncertainty import Predictions, property_uncertainties


def structures(count: int = 6) -> PESData:
    found = []
    for i in range(count):
        atoms = bulk("Cu" if i % 2 else "Au", cubic=True)
        atoms.rattle(0.05, seed=i)
        atoms.calc = EMT()
        atoms.get_stress(), atoms.get_forces()
        found.append(atoms)
    return PESData.from_atoms(found)


def predicted(pes: PESData, offsets: Any) -> Predictions:
    """Members whose energies are off by so many eV per atom."""
    energy = np.array([pes.energy + off * pes.n_atoms for off in offsets])
    many = np.repeat(pes.forces[None], len(offsets), axis=0)
    return Predictions(
        pes.id, pes.offsets, energy, many, np.repeat(pes.stress[None], len(offsets), axis=0)
    )


class Known:
    """Surfaces of which labels and predictions are known."""

    def __init__(self, labelled: PESData, failed: PESData, predictions: dict[str, Predictions]):
        self._labelled, self._failed, self._predictions = labelled, failed, predictions

    def all(self) -> list[Surface]:
        return [Surface("reference"), *(Surface(name) for name in self._predictions)]

    def refuse_species(self, *_: Any) -> None:
        return

    def labelled(self, pes: PESData, *, dispersion: bool) -> tuple[PESData, dict[str, str]]:
        return self._labelled, dict.fromkeys(self._failed.id.tolist(), "not_converged: it does not")

    def predicted(self, pes: PESData, *, dispersion: bool) -> dict[str, Predictions]:
        return self._predictions

    def spent(self) -> dict[str, int]:
        return {}


def test_the_papers_rule_is_of_any_potential_and_of_each_property() -> None:
    pes = structures()
    good, bad = predicted(pes, [0.0, 0.1]), predicted(pes, [0.0, 0.5])  # D is half the distance
    judged = {name: property_uncertainties(p) for name, p in {"good": good, "bad": bad}.items()}
    assert not outliers({"good": judged["good"]}, OutlierParameters()).any()
    assert outliers(judged, OutlierParameters()).all()
    wild = judged["good"] | {
        "forces": replace(judged["good"]["forces"], disagreement=np.array([51.0] + [0.0] * 5))
    }
    assert outliers({"one": wild}, OutlierParameters()).tolist() == [True] + [False] * 5


def test_failed_labels_and_outliers_are_counted_apart(asked) -> None:
    pes = structures(8)
    labelled, failed = pes[:6], pes[6:]
    shares = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.45])  # one on which the members disagree
    energy = np.array([labelled.energy + s * (shares + 0.01) * labelled.n_atoms for s in (-1, 1)])
    base = predicted(labelled, [0.0, 0.0])
    torn = Predictions(labelled.id, labelled.offsets, energy, base.forces, base.stress)
    surfaces: Any = Known(labelled, failed, {"torn": torn, "calm": predicted(labelled, [0.03])})
    result = generalisation.measure(surfaces, pes, asked())
    rows = {q.quantity: q.values for q in result.quantities}
    for counted in (Surface("torn"), Surface("reference")):
        assert rows["structures"][counted] == 8
        assert rows["labels failed"][counted] == 2
        assert rows["outliers"][counted] == 1
        assert rows["compared"][counted] == 5
    assert rows["RMSE of the energy"][Surface("torn", 0)] == pytest.approx(10)
    assert rows["RMSE of the energy"][Surface("torn")] == pytest.approx(0, abs=1e-6)
    # a potential that counts from elsewhere is not wrong by that
    assert rows["RMSE of the energy"][Surface("calm")] == pytest.approx(30)
    shifted = rows["RMSE of the energy after a shift for each element"]
    assert shifted[Surface("calm")] == pytest.approx(0, abs=1e-6)
    assert {reason for _, _, reason in result.missing} == {"not_converged: it does not", "outlier"}
    parity = result.curves[0]
    assert len(parity.x) == len(parity.y[Surface("calm")]) == 5
