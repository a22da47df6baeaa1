"""One committee of two small MACE models, trained on EMT copper-gold, for all tests here."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from potwright.pes import PESData
from potwright.pipelines.training.parameters import MACETrainer
from potwright.pipelines.training.trainer import MemberTask, train_member
from potwright.potentials import Committee
from potwright.potentials.metatomic import quiet
from potwright.potentials.model_file import ModelFile

SETTINGS = {
    "model": "ScaleShiftMACE",
    "r_max": 3.5,
    "max_ell": 2,
    "max_L": 0,
    "num_channels": 4,
    "correlation": 2,
    "radial_MLP": "[4]",
    "lr": 0.02,
    "batch_size": 4,
    "loss": "stress",
    "stress_weight": 100,
    "eval_interval": 2,
    "default_dtype": "float64",
}


def rounded(atoms: Atoms) -> Atoms:
    """Coordinates as PESData keeps them, so that every way to evaluate sees the same ones."""
    atoms.set_cell(np.round(atoms.cell.array, 8))
    atoms.positions = np.round(atoms.positions, 8)
    return atoms


def crystal(seed: int, repeat: int = 1) -> Atoms:
    """A distorted Cu-Au crystal, triclinic after its strain."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", a=3.8, cubic=True).repeat((repeat, 1, 1))
    atoms.numbers[rng.permutation(len(atoms))[: len(atoms) // 2]] = 79
    atoms.set_cell(atoms.cell @ (np.eye(3) + rng.uniform(-0.06, 0.06, (3, 3))), scale_atoms=True)
    atoms.positions += rng.normal(scale=0.08, size=(len(atoms), 3))
    return rounded(atoms)


def sheet(seed: int = 0, vacuum: float = 10.0) -> Atoms:
    """A buckled Cu-Au sheet, periodic along its first two lattice vectors."""
    rng = np.random.default_rng(seed)
    cell = [[5.3, 0, 0], [2.5, 4.7, 0], [0, 0, vacuum]]
    scaled = [[0, 0, 0.5], [0.5, 0, 0.5], [0, 0.5, 0.5], [0.5, 0.5, 0.5]]
    atoms = Atoms("Cu2Au2", scaled_positions=scaled, cell=cell, pbc=(True, True, False))
    atoms.positions += rng.normal(scale=0.12, size=(4, 3))
    return rounded(atoms)


def molecule(seed: int = 0) -> Atoms:
    """A cluster of three atoms without a cell."""
    rng = np.random.default_rng(seed)
    atoms = Atoms("Cu2Au", positions=[[0, 0, 0], [2.5, 0, 0], [1.2, 2.2, 0]])
    atoms.positions += rng.normal(scale=0.1, size=(3, 3))
    return rounded(atoms)


def labelled(structures: list[Atoms]) -> PESData:
    for atoms in structures:
        atoms.calc = EMT()
        atoms.get_forces()
        atoms.get_stress()
        wanted = ("energy", "forces", "stress")
        atoms.calc.results = {name: atoms.calc.results[name] for name in wanted}
    return PESData.from_atoms(structures)


@pytest.fixture(scope="session")
def committee(tmp_path_factory: pytest.TempPathFactory) -> Committee:
    folder: Path = tmp_path_factory.mktemp("members")
    training = labelled([crystal(i) for i in range(12)] + [sheet(i) for i in range(4)])
    validation = labelled([crystal(i) for i in range(12, 15)])
    trainer = MACETrainer(optimiser_steps=36, settings=SETTINGS)
    tasks = [
        MemberTask(
            folder=folder / str(seed),
            training=training,
            validation=validation,
            energies={29: 3.5, 79: 3.8},
            trainer=trainer,
            seed=seed,
            device="cpu",
            member=seed,
        )
        for seed in (0, 1)
    ]
    with warnings.catch_warnings():  # MACE's own, which in a campaign go to the member's folder
        warnings.simplefilter("ignore")
        members = [train_member(task) for task in tasks]
    files = tuple(ModelFile(member.model, "mace") for member in members)
    return Committee(files, {"note": "test"})


SMALL = {
    "soap_bpnn": {
        "soap": {
            "max_angular": 2,
            "max_radial": 2,
            "cutoff": {"radius": 4.0, "width": 0.5},
        },
        "bpnn": {"num_neurons_per_layer": 8, "num_hidden_layers": 1, "layernorm": True},
    },
    "pet": {
        "cutoff": 4.0,
        "d_pet": 8,
        "d_node": 16,
        "d_head": 8,
        "d_feedforward": 8,
        "num_heads": 1,
        "num_gnn_layers": 1,
        "num_attention_layers": 1,
    },
}


def untrained(architecture: str, seed: int, folder: Path) -> ModelFile:
    """A small metatrain model for copper and gold with random weights, exported as `mtt` does."""
    with quiet():
        import torch
        from metatomic.torch import ModelMetadata
        from metatrain.utils.architectures import get_default_hypers, import_architecture
        from metatrain.utils.data import DatasetInfo
        from metatrain.utils.data.target_info import get_energy_target_info

    hypers = copy.deepcopy(get_default_hypers(architecture)["model"]) | SMALL[architecture]
    target = get_energy_target_info("energy", {"quantity": "energy", "unit": "eV"})
    known = DatasetInfo(length_unit="angstrom", atomic_types=[29, 79], targets={"energy": target})
    folder.mkdir()
    torch.manual_seed(seed)
    model = import_architecture(architecture).__model__(hypers, known).to(torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = model.eval().export(ModelMetadata(name="test"))
        exported.save(str(folder / "model.pt"), collect_extensions=str(folder / "extensions"))
    return ModelFile(folder / "model.pt", "metatrain")


def two_untrained(architecture: str, folder: Path) -> Committee:
    return Committee(tuple(untrained(architecture, seed, folder / str(seed)) for seed in (1, 2)))


@pytest.fixture(scope="session")
def soap_bpnn(tmp_path_factory: pytest.TempPathFactory) -> Committee:
    return two_untrained("soap_bpnn", tmp_path_factory.mktemp("soap_bpnn"))


@pytest.fixture(scope="session")
def pet(tmp_path_factory: pytest.TempPathFactory) -> Committee:
    return two_untrained("pet", tmp_path_factory.mktemp("pet"))


@pytest.fixture(params=["soap_bpnn", "pet"])
def metatomic_committee(request: pytest.FixtureRequest) -> Committee:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["committee", "soap_bpnn"], ids=["mace", "soap_bpnn"])
def invariant_committee(request: pytest.FixtureRequest) -> Committee:
    """Of each backend, an architecture whose energy is the same in any orientation."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["committee", "soap_bpnn", "pet"], ids=["mace", "soap_bpnn", "pet"])
def any_committee(request: pytest.FixtureRequest) -> Committee:
    return request.getfixturevalue(request.param)


@pytest.fixture
def mixture() -> list[Atoms]:
    """Crystals, a sheet, a molecule and a single atom: all kinds of periodicity and size."""
    return [crystal(21, 2), molecule(1), sheet(2), crystal(22), Atoms("Au"), crystal(23, 3)]
