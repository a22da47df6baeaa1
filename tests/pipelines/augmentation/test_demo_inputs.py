"""The demo's inputs and parameters: the right cells, and large enough for a Γ-only labeller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import graphene
from kedro.config import OmegaConfigLoader

from potwright.datasets import StructuresDataset
from potwright.geometry import nearest_neighbour_distances
from potwright.pes import PESData
from potwright.pipelines.augmentation.parameters import AugmentationParameters
from potwright.pipelines.augmentation.supercells import build_supercells
from potwright.pipelines.augmentation.vacuum import add_vacuum

PROJECT = Path(__file__).parents[3]


def parameters(environment: str) -> AugmentationParameters:
    loader = OmegaConfigLoader(
        str(PROJECT / "conf"),
        base_env="base",
        default_run_env=environment,
        merge_strategy={"parameters": "soft"},
    )
    block: dict[str, Any] = loader["parameters"]["augmentation"]
    return AugmentationParameters.model_validate(block)


@pytest.fixture(scope="module")
def initial() -> PESData:
    return StructuresDataset(filepath=str(PROJECT / "data" / "01_raw" / "structures")).load()


@pytest.fixture(scope="module")
def supercells(initial: PESData) -> dict[str, Atoms]:
    demo = parameters("demo")
    built = build_supercells(add_vacuum(initial, demo.vacuum), demo.supercells)
    names = [Path(source).stem for source in built.source]
    return dict(zip(names, built.to_atoms(engine_pbc=True), strict=True))


def test_the_written_defaults_are_the_models() -> None:
    assert parameters("base") == AugmentationParameters()


def test_bond_lengths_are_those_of_carbon(initial: PESData) -> None:
    for atoms, source in zip(initial.to_atoms(), initial.source, strict=True):
        bonds = nearest_neighbour_distances(atoms.positions, atoms.cell.array, atoms.pbc)
        planar = source.startswith("graph")
        assert bonds == pytest.approx(np.full(len(atoms), 1.42 if planar else 1.545), abs=0.005)


def test_the_demo_builds_the_intended_cells(supercells: dict[str, Atoms]) -> None:
    assert {name: len(atoms) for name, atoms in supercells.items()} == {
        "diamond": 64,
        "graphene": 32,
        "graphite": 64,
        "lonsdaleite": 96,
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["diamond", "lonsdaleite", "graphite", "graphene"])
def test_demo_energies_agree_with_large_cells(
    name: str, initial: PESData, supercells: dict[str, Atoms]
) -> None:
    """Within 50 meV/atom at Γ, where strain compresses most and so the error is largest."""
    inputs = {Path(s).stem: a for s, a in zip(initial.source, initial.to_atoms(), strict=True)}
    large = {
        "diamond": lambda: inputs["diamond"].repeat(3),
        "lonsdaleite": lambda: inputs["lonsdaleite"].repeat((4, 2, 2)),
        "graphite": lambda: graphite().repeat((5, 5, 1)),
        "graphene": lambda: graphene(a=1.42 * np.sqrt(3), vacuum=7.5).repeat((8, 8, 1)),
    }[name]()
    compression = 1 - parameters("demo").strain.max_compressive_strain
    factors = np.array([compression, compression, 1 if name == "graphene" else compression])
    small_energy = energy_per_atom(supercells[name], factors)
    assert small_energy == pytest.approx(energy_per_atom(large, factors), abs=0.050)


def graphite() -> Atoms:
    layers = graphene(a=2.464, vacuum=6.711 / 4) + graphene(a=2.464, vacuum=6.711 / 4)
    layers.set_cell([*layers.cell.array[:2], [0, 0, 6.711]])
    layers.positions[2:] += layers.cell.array[2] / 2 + layers.positions[1] * [1, 1, 0]
    return layers


def energy_per_atom(atoms: Atoms, factors: np.ndarray) -> float:
    from tblite.ase import TBLite

    strained = atoms.copy()
    strained.set_cell(atoms.cell.array * factors, scale_atoms=True)
    strained.pbc = True
    strained.calc = TBLite(method="GFN1-xTB", verbosity=0)
    return float(strained.get_potential_energy()) / len(strained)
