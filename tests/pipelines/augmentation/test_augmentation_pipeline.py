"""The stage as a whole, run as its pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from potwright.errors import InputError
from potwright.geometry import colliding_atoms
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import geometries
from potwright.pipelines.augmentation.nodes import choose_frames
from potwright.pipelines.augmentation.parameters import AugmentationParameters
from potwright.pipelines.augmentation.pipeline import create_pipeline

OFF = {"enabled": False}
SMALL: dict[str, Any] = {"copies": 10, "supercells": {"min_length_angstrom": 7, "max_atoms": 100}}
ALLOY = {"alloy_species": ["C", "H"], "count": 12}


def augment(
    initial: PESData,
    seed: int = 1,
    trajectories: PESData | None = None,
    labels: PESData | None = None,
    **changes: Any,
) -> PESData:
    parameters = AugmentationParameters.model_validate(SMALL | changes)
    held = {
        "initial_structures": initial,
        "initial_trajectories": trajectories or PESData.empty(),
        "initial_labels": labels or PESData.empty(),
        "params:augmentation": parameters,
        "params:seed": seed,
    }
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in held.items()})
    outputs = SequentialRunner().run(create_pipeline(), catalog)
    augmented: PESData = outputs["augmented_structures"].load()
    return augmented


def test_counts_by_origin(inputs: PESData) -> None:
    augmented = augment(inputs)
    origins, counts = np.unique(augmented.origin, return_counts=True)
    # 3 supercells and a molecule; 10 copies of each, 3 of which lose atoms; a fifth of the
    # molecule and its copies with swaps; three slabs of the crystal; one C and one H.
    assert dict(zip(origins.tolist(), counts.tolist(), strict=True)) == {
        "cluster": 20,
        "initial": 1,
        "isolated_atom": 2,
        "rattle": 28,
        "slab": 3,
        "substitution": 2,
        "supercell": 3,
        "vacancy": 12,
    }
    assert len(np.unique(augmented.id)) == len(augmented)


def test_the_same_seed_gives_the_same_ids_and_another_seed_others(inputs: PESData) -> None:
    once, again, other = augment(inputs), augment(inputs), augment(inputs, seed=2)
    assert once.id.tolist() == again.id.tolist()
    distorted = np.isin(once.origin, ["rattle", "vacancy"])
    assert not set(once.id[distorted]) & set(other.id)


def test_a_further_input_does_not_change_the_others(inputs: PESData) -> None:
    # Clusters are of the species of all inputs, and alloys go round all of them.
    fewer, all_ = augment(inputs[[0, 3]], clusters=OFF), augment(inputs, clusters=OFF)
    assert set(fewer.id) < set(all_.id)


def test_every_copy_leads_back_to_its_input(inputs: PESData) -> None:
    augmented = augment(inputs)
    copies = augmented[np.isin(augmented.origin, ["rattle", "vacancy"])]
    parents = augmented[augmented.index_of(copies.parent)]
    assert set(parents.origin) == {"supercell", "initial"}
    assert parents.source.tolist() == copies.source.tolist()
    supercells = augmented[augmented.origin == "supercell"]
    assert set(supercells.parent) <= set(inputs.id)
    assert set(augmented.split) == {"unassigned"}
    periodic = copies.pbc.any(axis=1)
    assert all("strain_factors" in info for info in copies.info[periodic])
    assert all("strain_factors" not in info for info in copies.info[~periodic])
    assert all(info["rattle_fraction"] == 0.3 for info in copies.info)


def test_what_shares_coordinates_is_a_group(inputs: PESData) -> None:
    augmented = augment(inputs, alloys=ALLOY)
    sharing = np.isin(augmented.origin, ["substitution", "alloy"])
    assert set(augmented.origin[sharing]) == {"substitution", "alloy"}
    parents = augmented[augmented.index_of(augmented.parent[sharing])]
    assert augmented.group[sharing].tolist() == parents.group.tolist()
    # All else is a group of its own, vacancies that of the copy which they replace.
    alone = augmented[~sharing]
    assert len(np.unique(alone.group)) == len(alone)
    with_all_atoms = alone[alone.origin != "vacancy"]
    assert with_all_atoms.group.tolist() == with_all_atoms.id.tolist()
    whole = augment(inputs, alloys=ALLOY, vacancies=OFF)
    assert set(alone.group) == set(whole.group)


def test_everything_says_what_made_it(inputs: PESData) -> None:
    augmented = augment(inputs, alloys=ALLOY)
    made_by = {
        "supercell": {"supercell_matrix", "shortest_image_angstrom"},
        "rattle": {"rattle_fraction"},
        "vacancy": {"rattle_fraction", "removed_atoms"},
        "cluster": {"min_distance_angstrom"},
        "slab": {"miller_indices", "termination", "thickness_angstrom"},
        "substitution": {"rattle_fraction", "swapped_atoms"},
        "alloy": {"rattle_fraction", "composition", "arrangement"},
    }
    for origin, keys in made_by.items():
        for info in augmented.info[augmented.origin == origin]:
            assert keys <= set(info), origin
    from_inputs = ~np.isin(augmented.origin, ["cluster", "isolated_atom"])
    assert set(augmented.source[from_inputs]) == set(inputs.source)
    assert "input_id" not in set().union(*augmented.info)


def test_a_campaign_that_begins_with_labels_alone_makes_nothing(inputs: PESData) -> None:
    assert len(augment(PESData.empty(), labels=inputs)) == 0


def test_each_strategy_has_a_node_and_a_dataset_of_its_own() -> None:
    pipeline = create_pipeline()
    assert [node.name for node in pipeline.nodes if len(node.outputs) != 1] == []
    assert {node.name for node in pipeline.nodes} >= {
        "add_vacuum",
        "build_supercells",
        "strain_copies",
        "rattle_copies",
        "remove_atoms",
        "grow_clusters",
        "cut_slabs",
        "swap_atoms",
        "mix_alloys",
        "add_isolated_atoms",
    }


def test_periodicity_is_never_changed(inputs: PESData) -> None:
    augmented = augment(inputs, slabs=OFF)
    for source, pbc in zip(inputs.source, inputs.pbc, strict=True):
        assert np.all(augmented.pbc[augmented.source == source] == pbc)


def test_the_stage_can_be_skipped(inputs: PESData) -> None:
    augmented = augment(inputs, enabled=False)
    assert augmented.origin.tolist() == ["initial"] * 4
    assert augmented.n_atoms.tolist() == inputs.n_atoms.tolist()


@pytest.mark.parametrize(
    ("strategy", "origin"),
    [
        ("supercells", "supercell"),
        ("rattle", "rattle"),
        ("vacancies", "vacancy"),
        ("clusters", "cluster"),
        ("slabs", "slab"),
        ("substitutions", "substitution"),
        ("alloys", "alloy"),
        ("isolated_atoms", "isolated_atom"),
    ],
)
def test_each_strategy_can_be_switched_off(inputs: PESData, strategy: str, origin: str) -> None:
    off = SMALL.get(strategy, {}) | OFF
    assert origin in augment(inputs, alloys=ALLOY).origin
    augmented = augment(inputs, **{"alloys": ALLOY, strategy: off})
    assert origin not in augmented.origin
    assert len(augmented) > 4


def test_without_vacuum_inputs_stay(inputs: PESData) -> None:
    augmented = augment(inputs[:3], vacuum=OFF, supercells=OFF)
    assert set(inputs.id[:3]) <= set(augmented.id)


def test_without_strain_lattices_stay(inputs: PESData) -> None:
    only = {"isolated_atoms": OFF, "clusters": OFF, "slabs": OFF}
    augmented = augment(inputs[[0]], strain=OFF, **only)
    assert len(augmented) == 11
    assert np.all(augmented.cell == augmented.cell[0])


def test_copies_that_nothing_changes_are_dropped(inputs: PESData) -> None:
    off = dict.fromkeys(
        ["strain", "rattle", "vacancies", "clusters", "slabs", "substitutions"], OFF
    )
    augmented = augment(inputs, **off)
    assert augmented.origin.tolist() == ["supercell"] * 3 + ["initial"] + ["isolated_atom"] * 2


def test_isolated_atoms_are_alone_in_a_box_of_the_vacuum(inputs: PESData) -> None:
    augmented = augment(inputs, vacuum={"min_gap_angstrom": 12.0})
    atoms = augmented[augmented.origin == "isolated_atom"]
    assert atoms.numbers.tolist() == [1, 6]
    assert atoms.n_atoms.tolist() == [1, 1]
    assert not atoms.pbc.any()
    assert atoms.cell == pytest.approx(np.tile(np.eye(3) * 12, (2, 1, 1)))


def test_species_of_alloys_get_their_isolated_atoms(inputs: PESData) -> None:
    alloy = ALLOY | {"alloy_species": ["C", "Si"], "allow_new_species": True}
    augmented = augment(inputs, alloys=alloy)
    atoms = augmented[augmented.origin == "isolated_atom"]
    assert atoms.numbers.tolist() == [1, 6, 14]


@pytest.mark.parametrize("mode", [{}, {"non_diagonal": True}])
def test_nothing_is_under_the_minimum_distance_and_nothing_twice(
    inputs: PESData, mode: dict[str, bool]
) -> None:
    augmented = augment(inputs, copies=30, supercells=SMALL["supercells"] | mode, alloys=ALLOY)
    assert len(np.unique(augmented.id)) == len(augmented)
    assert not any(colliding_atoms(*g, 0.45).any() for g in geometries(augmented))


@pytest.mark.shared
def test_reference_structures_of_all_periodicities_are_augmented(shared_data: Path) -> None:
    frames = ase.io.read(shared_data / "carbon_structures.extxyz", index=":")
    initial = PESData.from_atoms(frames, labels="none", source=[f"frame {i}" for i in range(26)])
    limit = {"max_atoms": 150}
    silicon = {"alloy_species": ["C", "Si"], "allow_new_species": True, "count": 20}
    augmented = augment(initial, copies=4, supercells=limit, slabs=limit, alloys=silicon)
    counts = dict(zip(*np.unique(augmented.origin, return_counts=True), strict=True))
    assert (counts["slab"], counts["cluster"], counts["isolated_atom"]) == (39, 20, 2)
    assert counts["rattle"] + counts["vacancy"] == 4 * 26
    assert len(np.unique(augmented.id)) == len(augmented)
    assert not any(colliding_atoms(*g, 0.45).any() for g in geometries(augmented))
    slabs = augmented[augmented.origin == "slab"]
    assert slabs.n_atoms.max() <= 150
    assert min(info["thickness_angstrom"] for info in slabs.info) >= 10


def test_wrong_parameters_name_the_key() -> None:
    with pytest.raises(InputError, match="max_tensile_strain"):
        AugmentationParameters.model_validate({"strain": {"max_tensile_strian": 0.1}})
    with pytest.raises(InputError, match=r"strain\.max_compressive_strain"):
        AugmentationParameters.model_validate({"strain": {"max_compressive_strain": 1.2}})


def trajectory() -> PESData:
    """Three frames of silicon, an element that no input has."""
    frames = [bulk("Si", a=5.43 + 0.01 * i) for i in range(3)]
    return PESData.from_atoms(frames, source=[f"run.traj#{i}" for i in range(3)])


def test_frames_of_trajectories_enter_as_they_are(inputs: PESData) -> None:
    """No supercells and no copies of them, but an isolated atom of each of their elements."""
    frames = trajectory()
    without, augmented = augment(inputs), augment(inputs, trajectories=frames)
    assert set(augmented.id) - set(without.id) >= set(frames.id)
    assert len(augmented) == len(without) + 3 + 1
    of_run = augmented[augmented.origin == "trajectory"]
    assert of_run.id.tolist() == frames.id.tolist()
    assert of_run.group.tolist() == ["trajectory run.traj"] * 3
    assert augmented[augmented.origin == "isolated_atom"].numbers.tolist() == [1, 6, 14]


def test_frames_of_trajectories_enter_though_the_stage_is_skipped(inputs: PESData) -> None:
    augmented = augment(inputs, trajectories=trajectory(), enabled=False)
    assert augmented.origin.tolist() == ["initial"] * 4 + ["trajectory"] * 3


def test_frames_of_trajectories_can_be_left_out(inputs: PESData) -> None:
    off = AugmentationParameters.model_validate({"trajectories": {"enabled": False}})
    assert len(choose_frames(trajectory(), off)) == 0


def test_random_search_is_off_by_default_and_adds_crystals_when_on(inputs: PESData) -> None:
    without = augment(inputs)
    assert "random_search" not in without.origin
    search = {"enabled": True, "structures": 4, "compositions": {"SiC": None}}
    augmented = augment(inputs, random_search=search)
    assert (augmented.origin == "random_search").sum() == 4
    assert set(without.id) < set(augmented.id)
    skipped = augment(inputs, random_search=search, enabled=False)
    assert "random_search" not in skipped.origin
