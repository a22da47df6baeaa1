"""What a label store holds can be listed, counted, taken out and brought in."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from ase.build import bulk, graphene, molecule

from potwright.errors import InputError
from potwright.pes import PESData, export_extxyz, import_extxyz
from potwright.quantum import ImportedEngine, Label, LabelFailure, LabelStore, LevelOfTheory
from potwright.quantum.foreign_labels import declared, labels_of
from potwright.quantum.inventory import Filter, import_labels, levels, structures, summary, table

LEVEL = LevelOfTheory("tblite", "0.8.0", {"method": "GFN1-xTB"})
OTHER = LevelOfTheory("vasp", "6.4.2", {"functional": "PBE"})
ATOMS = [molecule("H2O"), molecule("CH4"), graphene(vacuum=4.0), bulk("C", cubic=True)]
PES = PESData.from_atoms(ATOMS)


def made(atoms, energy):
    stress = np.arange(6) / 7 if atoms.pbc.any() else None
    return Label(energy, np.arange(3.0 * len(atoms)).reshape(-1, 3), stress, 60.0, "node1")


@pytest.fixture
def store(place):
    """Three labels and a failure of one campaign, and one label of another at another level."""
    store = LabelStore(place, "mine")
    for i, atoms in enumerate(ATOMS[:3]):
        store.add(str(PES.id[i]), atoms, LEVEL, made(atoms, float(i)), iteration=i)
    failure = LabelFailure("not_converged", "no", "", 3600.0)
    store.add(str(PES.id[3]), ATOMS[3], LEVEL, failure, iteration=2)
    yours = LabelStore(place, "yours, and others'")
    yours.add(str(PES.id[0]), ATOMS[0], OTHER, made(ATOMS[0], -7.0), iteration=1)
    yours.close()
    yield store
    store.close()


@pytest.mark.parametrize(
    ("which", "rows"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"status": "failed"}, [4]),
        ({"reason": "not_converged"}, [4]),
        ({"reason": "crash"}, []),
        ({"engine": "tblite"}, [1, 2, 3, 4]),
        ({"engine": "tblite 0.8"}, [1, 2, 3, 4]),
        ({"engine": "tb"}, []),
        ({"level": OTHER.hash[:6]}, [5]),
        ({"campaign": "yours, and others'"}, [5]),
        ({"campaign": "mine", "iteration": 2}, [3, 4]),
        ({"formula": "OH2"}, [1, 5]),
        ({"formula": "C8", "status": "labelled"}, []),
    ],
)
def test_calculations_are_found_by_what_is_asked(store, which, rows):
    assert table(store, Filter(**which)).id.tolist() == rows


def test_the_table_and_its_summary_say_what_each_calculation_was(store):
    calculations = table(store, Filter())
    assert calculations.formula.tolist() == ["H2O", "CH4", "C2", "C8", "H2O"]
    assert calculations.energy_ev.tolist()[:3] == [0.0, 1.0, 2.0]
    assert calculations.level.tolist() == [LEVEL.hash] * 4 + [OTHER.hash]
    counts = summary(calculations)
    assert counts.calculations.tolist() == [1, 3, 1]
    assert counts.reason.tolist() == ["not_converged", "", ""]
    assert counts.hours.tolist() == [1.0, 0.05, 0.02]
    assert levels(store) == {LEVEL.hash: LEVEL, OTHER.hash: OTHER}


def test_a_wrong_formula_is_refused(store):
    with pytest.raises(InputError, match="'Xyz' is no chemical formula"):
        table(store, Filter(formula="Xyz"))


def test_structures_come_out_with_their_labels(store):
    pes = structures(store, Filter(status="labelled", level=LEVEL.hash))
    assert pes.id.tolist() == PES.id[:3].tolist()
    assert pes.energy.tolist() == [0.0, 1.0, 2.0]
    forces = np.concatenate([made(atoms, 0.0).forces for atoms in ATOMS[:3]])
    assert pes.forces.tolist() == forces.tolist()
    assert pes.stress[2].tolist() == (np.arange(6) / 7).tolist()
    assert set(pes.level_of_theory) == {LEVEL.hash}
    assert [info["bought_by"] for info in pes.info] == [f"mine, iteration {i}" for i in range(3)]
    failed = structures(store, Filter(status="failed"))
    assert not failed.has_labels.any() and failed.info[0]["reason"] == "not_converged"
    assert set(failed.level_of_theory) == {""}
    assert len(structures(store, Filter(reason="crash"))) == 0


def test_labels_of_two_levels_do_not_go_into_one_dataset(store):
    with pytest.raises(InputError, match=r"at 2 levels of theory.*choose by --level"):
        structures(store, Filter(status="labelled"))


def foreign(tmp_path, *atoms, prefix="REF_"):
    """A file as another program's user would make it."""
    import ase.io

    for i, one in enumerate(atoms):
        one.info[f"{prefix}energy"] = -1.0 * i
        one.arrays[f"{prefix}forces"] = np.full((len(one), 3), 0.5)
    ase.io.write(tmp_path / "mine.extxyz", atoms)
    return tmp_path / "mine.extxyz"


def test_labels_made_elsewhere_are_brought_in_and_what_is_there_stays(store, tmp_path):
    level = ImportedEngine(type="imported", name="VASP", version="6.4.2").level_of_theory()
    file = foreign(tmp_path, bulk("Si"), molecule("CO"), molecule("CO"))
    pes = declared(import_extxyz(file, labels="REF_"), level, "mine.extxyz", "")
    done = import_labels(store, pes, level, "mine.extxyz")
    assert (done.added, done.known, done.different) == (2, 0, 0)
    found = store.find(pes.id.tolist(), level)
    assert found[str(pes.id[1])].energy == -1.0
    assert found[str(pes.id[0])].forces.tolist() == [[0.5] * 3] * 2
    assert table(store, Filter(campaign="mine")).iteration.isna().sum() == 2
    changed = pes.replace(energy=pes.energy - [0.0, 0.25, 0.25])
    done = import_labels(store, changed, level, "mine.extxyz")
    assert (done.added, done.known, done.different) == (0, 2, 1)
    assert done.largest_difference_ev == pytest.approx(0.25)
    assert store.find(pes.id.tolist(), level)[str(pes.id[1])].energy == -1.0


def test_a_file_without_the_named_keys_is_refused_with_those_that_it_has(tmp_path):
    file = foreign(tmp_path, molecule("CO"), prefix="dft_")
    pes = import_extxyz(file, labels="REF_")
    with pytest.raises(InputError, match=r"mine: none of 1 structures.* dft_energy, dft_forces"):
        declared(pes, LEVEL, "mine", "say where")
    with pytest.raises(InputError, match="The keys there are: none at all"):
        declared(PESData.from_atoms([molecule("CO")]), LEVEL, "mine", "say where")


def test_structures_without_a_whole_label_are_left_out_and_counted(caplog):
    pes = PES.replace(energy=[0.0, np.nan, 0.0, 0.0], forces=0.0)
    forces = pes.forces.copy()
    forces[-1, 0] = np.nan
    with caplog.at_level(logging.WARNING):
        kept = declared(pes.replace(forces=forces), LEVEL, "mine", "")
    assert kept.id.tolist() == PES.id[[0, 2]].tolist()
    assert "mine: 2 of 4 structures have no energy or no forces" in caplog.text
    assert [label.stress is None for label in labels_of(kept)] == [True, True]


def test_labels_of_a_known_other_level_are_refused():
    labelled = PES.replace(energy=0.0, forces=0.0, level_of_theory=OTHER.hash)
    with pytest.raises(InputError, match=rf"{OTHER.hash}, which is not tblite"):
        declared(labelled, LEVEL, "mine", "")


def test_what_is_exported_comes_back_as_the_same_labels(store, tmp_path):
    pes = structures(store, Filter(status="labelled", level=LEVEL.hash))
    export_extxyz(pes, tmp_path / "out.extxyz")
    back = declared(import_extxyz(tmp_path / "out.extxyz"), LEVEL, "out", "")
    done = import_labels(store, back, LEVEL, "out")
    assert (done.added, done.known, done.different) == (0, 3, 0)
