"""A campaign that begins with labels, and what can be done with labels besides the loop."""

from __future__ import annotations

import shutil

import ase.io
import numpy as np
import pandas as pd
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from potwright.pes import PESData, export_extxyz

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COUNT = 16
LABELLED = {
    "type": "potwright.datasets.StructuresDataset",
    "filepath": "data/01_raw/labelled.extxyz",
    "labels": "REF_",
}
EMT_HERE = {"type": "ase", "calculator": "counted.CountedEMT", "supported_elements": ["Cu"]}


def labelled_by_hand(atoms: Atoms) -> Atoms:
    """As a file of another program has it: bare atoms and keys of one's own."""
    computed = atoms.copy()
    computed.calc = EMT()
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    bare.info["REF_energy"] = computed.get_potential_energy()
    bare.arrays["REF_forces"] = computed.get_forces()
    if atoms.pbc.all():
        bare.info["REF_stress"] = computed.get_stress()
    return bare


def structures() -> list[Atoms]:
    """Rattled crystals, and a molecule in a cell without vacuum, which augmentation would pad."""
    random = np.random.default_rng(0)
    made = [*(bulk("Cu", cubic=True) for _ in range(COUNT - 1)), Atoms("Cu3")]
    made[-1].positions = [[0, 0, 0], [2.4, 0, 0], [1.2, 2.1, 0]]
    for atoms in made:
        atoms.positions += random.normal(0, 0.05, atoms.positions.shape)
    return made


def set_engine(project, engine):
    """Name the engine as a whole: merged key by key, another type keeps what it does not know."""
    path = project.folder / "conf" / project.env / "parameters.yml"
    parameters = yaml.safe_load(path.read_text())
    parameters["labelling"]["engine"] = engine
    path.write_text(yaml.safe_dump(parameters))


@pytest.fixture(scope="module")
def begun(make, tmp_path_factory):
    """One iteration on labels that exist; nothing here can compute more of them."""
    project = make(tmp_path_factory.mktemp("labels") / "project")
    raw = project.folder / "data" / "01_raw"
    ase.io.write(raw / "labelled.extxyz", [labelled_by_hand(atoms) for atoms in structures()])
    shutil.rmtree(raw / "structures")
    project.configure({"initial_labels": LABELLED}, name="catalog")
    project.configure({"labelling": {"levels": {"here": EMT_HERE}}})
    set_engine(project, {"type": "imported", "name": "EMT of mine"})
    project.succeed("campaign", "run", "--max-iterations", "1")
    return project


@pytest.fixture
def project(begun, tmp_path):
    return begun.copy(tmp_path / "project")


def version(project):
    return project.records()[-1]["run_id"]


def test_training_exploration_and_evaluation_run_on_labels_that_exist(begun):
    assert begun.calculations == 0
    assert begun.records()[-1]["status"] == "completed"
    labelled = begun.structures("labelled_structures.h5", version(begun))
    given = PESData.from_atoms(structures())
    assert labelled.id.tolist() == given.id.tolist()  # in their own cells: labels belong to them
    assert labelled.has_labels.all()
    assert set(labelled.split) == {"training", "validation", "test"}
    assert set(labelled.iteration) == {0}
    assert len(set(labelled.level_of_theory) - {""}) == 1
    assert len(begun.structures("explored_structures.h5", version(begun)))
    assert len(begun.structures("selected_structures.h5", version(begun)))
    metrics = pd.read_csv(begun.path("metrics.csv", version(begun)))
    assert "test of first iteration" in set(metrics["set"])


def test_what_was_selected_is_labelled_elsewhere_and_brought_in(project):
    """The message says what to do; done so, the same command goes on."""
    status, output = project.kedro("campaign", "run")
    words = " ".join(output.split())
    assert status == 1
    assert "structures have no label, and labels at level EMT of mine" in words
    assert "kedro campaign labels import" in words
    selected = project.structures("selected_structures.h5", project.records()[0]["run_id"])
    wanted, done = project.folder / "wanted.extxyz", project.folder / "done.extxyz"
    export_extxyz(selected, wanted)  # kedro structures export
    ase.io.write(done, [labelled_by_hand(atoms) for atoms in ase.io.read(wanted, ":")])
    bring_in = ("campaign", "labels", "import", str(done), "--labels")
    status, output = project.kedro(*bring_in, "dft_")
    assert status == 1 and "REF_energy" in output and "Traceback" not in output
    assert f"{len(selected)} labels at level EMT of mine" in project.succeed(*bring_in, "REF_")
    (project.folder / "kill_before.txt").write_text("merge_labels")
    project.kedro("campaign", "run")
    labels = project.structures("labels.h5", version(project))
    assert labels.has_labels.all() and 0 < len(labels) <= len(selected)
    assert set(labels.iteration) == {2}
    assert project.calculations == 0


def test_the_data_are_labelled_again_at_another_level_and_a_kill_costs_little(project):
    relabel = ("campaign", "relabel", "--level", "here")
    project.kill_when(lambda: project.calculations >= 5, *relabel)
    output = project.succeed(*relabel)
    in_flight = 2
    assert COUNT <= project.calculations <= COUNT + in_flight
    path = output.split("Relabelled structures: ")[1].strip()
    assert "/tiny/relabelled/here/" in path
    relabelled = PESData.read(path)
    labelled = project.structures("labelled_structures.h5", version(project))
    assert relabelled.id.tolist() == labelled.id.tolist()
    assert relabelled.split.tolist() == labelled.split.tolist()
    np.testing.assert_allclose(relabelled.energy, labelled.energy, atol=1e-7)
    assert set(relabelled.level_of_theory).isdisjoint(set(labelled.level_of_theory))
    listing = project.succeed("campaign", "labels", "list", "--level", "here", "--limit", "2")
    assert f"and {COUNT - 2} before" in listing
    assert "counted.CountedEMT" in listing
    assert "No such" in project.succeed("campaign", "labels", "list", "--status", "failed")
    target = project.folder / "out.extxyz"
    project.succeed("campaign", "labels", "export", str(target), "--formula", "Cu3")
    (molecule,) = ase.io.read(target, ":")
    assert molecule.get_potential_energy() == pytest.approx(float(labelled.energy[-1]), abs=1e-7)


def test_an_unknown_level_is_named_with_those_that_there_are(begun):
    status, output = begun.kedro("campaign", "relabel", "--level", "her")
    assert status == 1
    assert "no level of theory is named 'her'; did you mean 'here'" in output.replace("\n", " ")


def test_labels_of_one_level_do_not_mix_with_those_of_another(project):
    """The engine changes in the middle of a campaign."""
    set_engine(project, EMT_HERE)
    status, output = project.kedro("campaign", "run")
    assert status == 1
    assert "One dataset holds one level" in " ".join(output.split())
    assert project.calculations == 0
