"""A committee as teacher: its mean is the label, its content the level of theory."""

from __future__ import annotations

import json
import pickle
import shutil

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from potwright.errors import InputError
from potwright.execution import LocalExecutor
from potwright.pes import PESData
from potwright.pipelines.labelling import nodes
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.potentials import Committee, load_committee
from potwright.quantum import CommitteeEngine, LabelStore, compute_label


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, untrained_mace):
    folder = tmp_path_factory.mktemp("teacher")
    species = {29: -3.0, 79: -4.0}
    members = tuple(untrained_mace(folder / f"{n}.model", n, species) for n in (1, 2))
    Committee(members, {"species": [29, 79]}).save(folder / "committee")
    return folder / "committee"


def engine(path, **fields):
    return CommitteeEngine(path=path, includes_dispersion=False, device="cpu", **fields)


def crystal():
    atoms = bulk("Cu", a=3.7, cubic=True)
    atoms.positions[0] += [0.2, 0.1, 0.0]
    return atoms


def test_the_label_is_the_mean_of_the_members(teacher):
    atoms = crystal()
    label = compute_label(engine(teacher), atoms)
    members = load_committee(teacher).members
    values = [m.evaluate(PESData.from_atoms([atoms]), device="cpu") for m in members]
    energies = [v[0][0] for v in values]
    assert abs(energies[0] - energies[1]) > 1e-6
    assert label.energy == pytest.approx(np.mean(energies), abs=1e-7)
    assert label.forces == pytest.approx(np.mean([v[1] for v in values], axis=0), abs=1e-6)
    assert label.stress == pytest.approx(np.mean([v[2][0] for v in values], axis=0), abs=1e-7)
    step = 1e-3
    moved = [atoms.copy(), atoms.copy()]
    for copy, sign in zip(moved, (1, -1), strict=True):
        copy.positions[0, 0] += sign * step
    plus, minus = (compute_label(engine(teacher), copy).energy for copy in moved)
    assert label.forces[0, 0] == pytest.approx(-(plus - minus) / (2 * step), abs=1e-4)


def test_the_level_of_theory_is_the_content_of_the_members(teacher, tmp_path):
    level = engine(teacher).level_of_theory()
    assert level.engine == "committee"
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(teacher, elsewhere)
    record = json.loads((elsewhere / "committee.json").read_text())
    (elsewhere / "committee.json").write_text(json.dumps(record | {"note": "copied"}))
    assert engine(elsewhere).level_of_theory().hash == level.hash
    with (elsewhere / "member_1.model").open("ab") as file:
        file.write(b"\0")
    assert engine(elsewhere).level_of_theory().hash != level.hash


def test_it_labels_in_workers_and_refuses_elements_that_it_does_not_know(teacher, tmp_path):
    parameters = LabellingParameters(engine=engine(teacher), executor=LocalExecutor(workers=1))
    sheet = Atoms("Cu", cell=[2.6, 2.6, 12.0], pbc=[True, True, False])
    candidates = PESData.from_atoms([crystal(), sheet, Atoms("Cu")])
    parameters.engine.verify()
    store = LabelStore(tmp_path / "labels.db")
    outcomes = nodes.compute_labels(candidates, store, parameters)
    assert len(outcomes.labels) == 3
    stresses = [outcomes.labels[i].stress is not None for i in candidates.id.tolist()]
    assert stresses == [True, True, False]
    silicon = PESData.from_atoms([bulk("Si")])
    with pytest.raises(InputError, match="does not know Si"):
        nodes.screen_candidates(silicon, silicon, PESData.empty(), parameters)


def test_mistakes_are_found_before_anything_runs(teacher, tmp_path):
    with pytest.raises(InputError, match="not a committee"):
        engine(tmp_path).verify()
    with pytest.raises(InputError, match="there is no GPU"):
        engine(teacher).model_copy(update={"device": "cuda"}).verify()
    broken = tmp_path / "broken"
    shutil.copytree(teacher, broken)
    (broken / "member_0.model").unlink()
    with pytest.raises(InputError, match=r"member_0\.model is missing"):
        engine(broken).verify()
    with pytest.raises(InputError, match="includes_dispersion: required"):
        CommitteeEngine.model_validate({"path": str(teacher)})


def test_it_travels_and_says_what_it_was_told_of_dispersion(teacher):
    teaching = CommitteeEngine(path=teacher, includes_dispersion=True)
    assert pickle.loads(pickle.dumps(teaching)) == teaching
    assert teaching.includes_dispersion and not teaching.gamma_only
    assert teaching.elements() == {29, 79}
