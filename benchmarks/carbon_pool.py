"""A diverse labelled pool of carbon for the benchmarks, made by Potwright's own stages.

Crystals, sheets, tubes, a fullerene, slabs, clusters and random crystals of at most 64 atoms are
distorted (two generations), labelled by GFN1-xTB, and a small committee trained on them runs short
hot molecular dynamics, whose frames are labelled, too. Labels go through a label store, members and
trajectories through workspaces: interrupted, the same command goes on where it was.

tblite samples the Γ point only, so periodic cells are at least ``MIN_LENGTH_ANGSTROM`` long, and
the electrons are warm, which smooths what is left of band folding in metallic structures.

Run: python benchmarks/label_efficiency.py --make-carbon carbon.h5
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import molecule, nanotube
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from potwright.datasets import StructuresDataset
from potwright.execution import LocalExecutor
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipeline_registry import register_pipelines
from potwright.pipelines.augmentation.parameters import AugmentationParameters
from potwright.pipelines.exploration import nodes as exploration
from potwright.pipelines.exploration.parameters import ExplorationParameters
from potwright.pipelines.labelling.parameters import ScreeningParameters
from potwright.pipelines.labelling.screening import KEPT, count, reasons_to_drop
from potwright.pipelines.training import nodes as training
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.quantum import LabelStore, TBLiteEngine
from potwright.quantum.calculations import label_structures, labelled

PROJECT = Path(__file__).parents[1]
SEED = 1
MAX_ATOMS = 64
MIN_LENGTH_ANGSTROM = 6.5
MAX_FORCE_EV_PER_ANGSTROM = 25.0
MAX_FORCE_FOR_DYNAMICS_EV_PER_ANGSTROM = 20.0
ENGINE = TBLiteEngine(
    electronic_temperature_kelvin=1500.0, min_length_angstrom=None, max_iterations=150
)
CAMPAIGN = CampaignParameters(iteration=1)
CELLS = {"min_length_angstrom": MIN_LENGTH_ANGSTROM, "max_atoms": MAX_ATOMS}
NOTHING_ELSE: dict[str, Any] = {
    name: {"enabled": False}
    for name in ("clusters", "slabs", "substitutions", "alloys", "isolated_atoms")
}
FIRST: dict[str, Any] = {
    "copies": 24,
    "supercells": CELLS,
    "strain": {"mode": "per_axis", "max_compressive_strain": 0.10, "max_tensile_strain": 0.20},
    "rattle": {"rattle_fraction": 0.2},
    "vacancies": {"fraction_of_copies": 0.3, "atoms": 2},
    "clusters": {"count": 150, "max_atoms": 24, "min_distance_angstrom": 1.25},
    "slabs": {"min_thickness_angstrom": 5.0, "max_atoms": MAX_ATOMS, "all_terminations": True},
    "random_search": {
        "enabled": True,
        "structures": 160,
        "compositions": {"C": 7.5},
        "formula_units": [2, 3, 4, 6, 8, 12, 16],
        "max_atoms": 24,
        "volume_factor_range": [0.75, 1.8],
        "min_covalent_ratio": 0.75,
        "replicate": True,
    },
}
# slabs and random crystals come undistorted; here each gets copies
SECOND: dict[str, Any] = NOTHING_ELSE | {
    "copies": 2,
    "supercells": {"enabled": False},
    "vacuum": {"enabled": False},
    "strain": {"mode": "tensor", "max_compressive_strain": 0.08, "max_tensile_strain": 0.12},
    "rattle": {"rattle_fraction": 0.15},
    "vacancies": {"enabled": False},
}
# near equilibrium, where the others hardly are
GENTLE: dict[str, Any] = NOTHING_ELSE | {
    "copies": 14,
    "supercells": CELLS,
    "strain": {"mode": "tensor", "max_compressive_strain": 0.04, "max_tensile_strain": 0.05},
    "rattle": {"rattle_fraction": 0.08},
    "vacancies": {"enabled": False},
}
MODEL: dict[str, Any] = {
    "model": "ScaleShiftMACE",
    "r_max": 3.5,
    "max_ell": 2,
    "max_L": 0,
    "num_channels": 16,
    "correlation": 2,
    "radial_MLP": "[16, 16]",
    "lr": 0.02,
    "batch_size": 4,
    "loss": "universal",
    "energy_weight": 1,
    "forces_weight": 10,
    "stress_weight": 100,
    "eval_interval": 10,
    "default_dtype": "float32",
}
DYNAMICS: dict[str, Any] = {
    "n_starts": 60,
    "timestep_fs": 1.0,
    "duration_ps": 0.32,
    "frame_interval_ps": 0.04,
    "design": {
        "type": "space_filling",
        "temperature_range_kelvin": [300, 4000],
        "pressure_range_kbar": [-50, 200],
    },
    "engine": {"type": "ase", "thermostat_time_fs": 40, "barostat_time_fs": 300},
}

logger = logging.getLogger("carbon_pool")


def make_carbon(path: Path, scratch: Path, processes: int) -> PESData:
    """Make the pool, or go on making it, and write it to ``path``."""
    scratch.mkdir(parents=True, exist_ok=True)
    store = LabelStore(scratch / "labels.db")
    first = augment(inputs(), FIRST)
    plain = first[np.isin(first.origin, ["slab", "random_search"])]
    plain = plain[plain.n_atoms > 1]
    second = augment(plain.replace(origin="initial"), SECOND)
    augmented = fit(PESData.concatenate([first, second]).drop_duplicates())
    executor = LocalExecutor(workers=processes)
    labels = label(augmented, store, executor)
    frames = explore(augmented, labels, scratch, executor)
    further = PESData.concatenate([fit(augment(inputs(), GENTLE)), fit(frames)])
    pool = PESData.concatenate([labels, label(further, store, executor)]).drop_duplicates()
    pool = calm(
        pool[pool.origin != "isolated_atom"].replace(split="unassigned", iteration=0),
        MAX_FORCE_EV_PER_ANGSTROM,
    )
    pool.write(path)
    return pool


def inputs() -> PESData:
    """The crystals of the demo, and forms that are no crystals."""
    crystals = StructuresDataset(filepath=str(PROJECT / "data/01_raw/structures")).load()
    made: list[Atoms] = []
    for n, m, length in ((5, 5, 3), (8, 0, 2), (4, 4, 4), (6, 0, 2), (7, 0, 2)):
        tube = nanotube(n, m, length=length)
        tube.center(vacuum=8.0, axis=(0, 1))
        tube.pbc = (False, False, True)
        made.append(tube)
    fullerene = molecule("C60")
    fullerene.center(vacuum=8.0)
    made.append(fullerene)
    return PESData.concatenate([crystals, PESData.from_atoms(made, labels="none")])


def augment(structures: PESData, settings: dict[str, Any]) -> PESData:
    """The augmentation stage on data in memory."""
    given = {
        "initial_structures": structures,
        "initial_trajectories": PESData.empty(),
        "initial_labels": PESData.empty(),
        "params:augmentation": AugmentationParameters.model_validate(settings),
        "params:seed": SEED,
    }
    pipeline = register_pipelines()["augmentation"]
    catalog = DataCatalog({k: MemoryDataset(v, copy_mode="assign") for k, v in given.items()})
    outputs = SequentialRunner().run(pipeline, catalog)
    return outputs["augmented_structures"].load()


def fit(structures: PESData) -> PESData:
    """Structures small enough, with cells long enough, that screening keeps; counted."""
    lone = structures.origin == "isolated_atom"
    kept = structures[
        lone | ((structures.n_atoms <= MAX_ATOMS) & (structures.n_atoms > 1) & _long(structures))
    ]
    reasons = reasons_to_drop(kept, [structures], ScreeningParameters(), PESData.empty())
    count(kept, reasons, 0.2)
    said = "%d of %d structures are small enough and long enough, %d of them pass the screening"
    logger.warning(said, len(kept), len(structures), int((reasons == KEPT).sum()))
    return kept[reasons == KEPT]


def _long(structures: PESData) -> np.ndarray:
    """Whether the periodic vectors are long enough for the Γ point alone, shape (S,)."""
    lengths = np.linalg.norm(structures.cell, axis=2)
    return np.where(structures.pbc, lengths >= 0.88 * MIN_LENGTH_ANGSTROM, True).all(axis=1)


def label(structures: PESData, store: LabelStore, executor: LocalExecutor) -> PESData:
    """Labels from the store, and the missing ones computed; failures are left out."""
    structures = structures.replace(iteration=1)
    outcomes = label_structures(structures, store, ENGINE, executor)
    logger.warning("%d labels, %d failures", len(outcomes.labels), len(outcomes.failures))
    return labelled(structures, outcomes)


def explore(augmented: PESData, labels: PESData, scratch: Path, executor: LocalExecutor) -> PESData:
    """Frames of short hot dynamics, driven by a small committee trained on ``labels``."""
    folders = {name: scratch / name for name in ("training", "exploration")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    trainer = {
        "type": "mace",
        "optimiser_steps": 1200,
        "learning_rate_decay": 0.05,
        "settings": MODEL,
    }
    train = TrainingParameters.model_validate(
        {"members": 2, "trainer": trainer, "executor": executor}
    )
    dynamics = ExplorationParameters.model_validate(DYNAMICS | {"executor": executor})
    merged = training.merge_labels(
        PESData.empty(), calm(labels, MAX_FORCE_FOR_DYNAMICS_EV_PER_ANGSTROM), train, CAMPAIGN, SEED
    )
    committee = training.train_committee(merged, folders["training"], train, CAMPAIGN, SEED)
    plan = exploration.choose_starts(augmented, merged, dynamics, CAMPAIGN, SEED)
    done = exploration.run_dynamics(committee, plan, folders["exploration"], dynamics, {})
    return exploration.collect_frames(plan, done, dynamics)


def calm(pool: PESData, limit: float) -> PESData:
    """Structures without an enormous force, which would alone decide any mean error; counted."""
    largest = np.maximum.reduceat(np.linalg.norm(pool.forces, axis=1), pool.offsets[:-1])
    keep = largest <= limit
    logger.warning(
        "%d of %d structures have a force above %g eV/Å and are left out",
        int((~keep).sum()),
        len(pool),
        limit,
    )
    return pool[keep]
