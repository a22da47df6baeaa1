"""Surfaces: who is asked, in which cell, and to whom dispersion is added."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from potwright.dynamics.dispersion import D2Dispersion
from potwright.errors import InputError
from potwright.execution import LocalExecutor
from potwright.pes import PESData
from potwright.pipelines.validation import answers
from potwright.pipelines.validation.nodes import open_surfaces
from potwright.pipelines.validation.parameters import ValidationParameters
from potwright.pipelines.validation.plans import Plan, Values
from potwright.pipelines.validation.prototypes import Prototype
from potwright.pipelines.validation.surfaces import REFERENCE, NamedCommittee, Surface, Surfaces
from potwright.potentials import Committee
from potwright.quantum import ASEEngine, LabelStore, TBLiteEngine
from potwright.uncertainty import Predictions


@pytest.fixture
def surfaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Surfaces]:
    """EMT through a label store, beside committees that predict a constant energy per atom."""

    def predicted(wanted: Any, committees: Any, *_: Any) -> Any:
        for name, pes in wanted.items():
            members = len(committees[name])
            per_atom = np.arange(1.0, members + 1)[:, None] * pes.n_atoms
            shape = (members, len(pes.numbers), 3)
            stress = np.zeros((members, len(pes), 6))
            yield name, pes, Predictions(pes.id, pes.offsets, per_atom, np.zeros(shape), stress)

    monkeypatch.setattr(answers, "predictions", predicted)

    def make(**given: Any) -> Surfaces:
        three, one = (Committee((None,) * n) for n in (3, 1))  # type: ignore[arg-type]
        potentials = {"three": NamedCommittee(three), "one": NamedCommittee(one, True)}
        engine = ASEEngine(type="ase", calculator="ase.calculators.emt.EMT")
        keys = {"potentials": potentials, "engine": engine, "executor": LocalExecutor(workers=1)}
        return Surfaces(**{"store": LabelStore(tmp_path / "labels.db"), **keys, **given})

    return make


def test_only_what_this_run_computes_is_counted(surfaces, tmp_path: Path) -> None:
    for computed in (1, 0):
        opened = surfaces(store=LabelStore(tmp_path / "labels.db", campaign="mine"))
        opened.carry_out(lambda _: energy(bulk("Cu")))
        assert opened.spent()["labels computed"] == computed


def energy(atoms: Atoms) -> Plan[Values]:
    [values] = yield [atoms]
    return values


def test_members_are_surfaces_where_there_are_several(surfaces) -> None:
    members = [Surface("three"), *(Surface("three", m) for m in range(3))]
    assert surfaces().all() == [REFERENCE, *members, Surface("one")]
    assert surfaces(members=False).all() == [REFERENCE, Surface("three"), Surface("one")]


def test_each_surface_answers_for_itself_and_the_mean_is_the_last(surfaces) -> None:
    atoms = bulk("Cu", cubic=True)
    opened = surfaces()
    found = opened.carry_out(lambda _: energy(atoms))
    atoms.calc = EMT()
    assert found[REFERENCE].energy == pytest.approx(atoms.get_potential_energy())
    assert [found[s].energy for s in opened.all()[1:]] == [8.0, 4.0, 8.0, 12.0, 4.0]
    spent = opened.spent()
    assert (spent["labels"], spent["labels computed"], spent["evaluations of potentials"]) == (
        1,
        1,
        2,
    )


def test_the_reference_sees_a_supercell_and_answers_for_the_cell(surfaces) -> None:
    atoms = bulk("Cu")
    opened = surfaces()
    found = opened.carry_out(lambda _: energy(atoms), (2, 2, 2))
    atoms.calc = EMT()
    assert found[REFERENCE].energy == pytest.approx(atoms.get_potential_energy())
    assert found[Surface("three", 0)].energy == 1.0  # of one atom
    stored = list(opened.store.database.ase.select())
    assert [row.natoms for row in stored] == [8]


def test_dispersion_is_added_to_whoever_lacks_it(surfaces) -> None:
    pair = bulk("Cu", cubic=True)
    bare = surfaces(dispersion=D2Dispersion()).carry_out(lambda _: energy(pair))
    full = surfaces(dispersion=D2Dispersion()).carry_out(lambda _: energy(pair), dispersion=True)
    pair.calc = D2Dispersion().calculator()
    added = pair.get_potential_energy()
    for surface in (REFERENCE, Surface("three"), Surface("three", 2)):
        assert full[surface].energy - bare[surface].energy == pytest.approx(added)
    assert full[Surface("one")].energy == bare[Surface("one")].energy  # it has learnt it


def test_a_label_that_fails_is_a_value_that_is_missing(surfaces) -> None:
    """Effective medium theory knows no silicon: the others answer all the same."""
    found = surfaces().carry_out(lambda _: energy(bulk("Si")))
    assert found[REFERENCE].missing.startswith("bad_input: NotImplementedError")
    assert np.isnan(found[REFERENCE].energy)
    assert found[Surface("one")].energy == 2.0
    pes = PESData.from_atoms([bulk("Si"), bulk("Cu")])
    labelled, reasons = surfaces().labelled(pes, dispersion=False)
    assert labelled.numbers.tolist() == [29]
    assert list(reasons) == [pes.id[0]]


def test_engines_at_gamma_get_cells_that_are_long_enough(surfaces) -> None:
    graphene = Prototype(structure="graphene", species="C", length_angstrom=2.46)
    assert surfaces(engine=TBLiteEngine()).repeats_of(graphene) == (4, 4, 1)
    assert surfaces().repeats_of(graphene) == (1, 1, 1)
    given = graphene.model_copy(update={"repeats": (5, 5, 1)})
    assert surfaces(engine=TBLiteEngine()).repeats_of(given) == (5, 5, 1)


def test_dispersion_that_the_reference_contains_is_refused(tmp_path: Path) -> None:
    parameters = ValidationParameters.model_validate({"dispersion": {"type": "d2"}})
    with pytest.raises(InputError, match="it would count twice"):
        open_surfaces(
            Committee(()), LabelStore(tmp_path / "labels.db"), {"type": "tblite"}, parameters
        )
