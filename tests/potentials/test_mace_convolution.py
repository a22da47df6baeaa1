"""Convolutions that sum while they multiply say what MACE's own say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from potwright.potentials.edges import Edges, regular
from potwright.potentials.mace import MACEModels, load, quiet_import
from potwright.potentials.mace_convolution import Convolution, is_regular

KINDS = [
    ("RealAgnosticInteractionBlock", "4x0e"),
    ("RealAgnosticResidualInteractionBlock", "4x0e+4x1o"),
    ("RealAgnosticDensityResidualInteractionBlock", "4x0e+4x1o"),
    ("RealAgnosticResidualNonLinearInteractionBlock", "4x0e"),
]


def untrained(path: Path, interaction: str, hidden: str, **settings: object) -> Path:
    """A MACE for copper and carbon with random weights."""
    with quiet_import():
        from mace.modules import ScaleShiftMACE, interaction_classes

        from e3nn import o3  # isort: skip - mace makes it importable with today's torch

    torch.manual_seed(3)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    model = ScaleShiftMACE(
        **{
            "r_max": 4.0,
            "num_bessel": 4,
            "num_polynomial_cutoff": 5,
            "max_ell": 2,
            "interaction_cls": interaction_classes[interaction],
            "interaction_cls_first": interaction_classes[interaction],
            "num_interactions": 2,
            "num_elements": 2,
            "hidden_irreps": o3.Irreps(hidden),
            "MLP_irreps": o3.Irreps("4x0e"),
            "atomic_energies": np.array([-1.0, -3.0]),
            "avg_num_neighbors": 8.0,
            "atomic_numbers": [6, 29],
            "correlation": 1,
            "gate": torch.nn.functional.silu,
            "atomic_inter_scale": 1.3,
            "atomic_inter_shift": 0.1,
        }
        | settings
    )
    torch.save(model, path)
    torch.set_default_dtype(before)
    return path


@pytest.fixture
def structures() -> list[Atoms]:
    """Few and many neighbours, none at all, and a cell that is smaller than the cutoff."""
    crystal = bulk("Cu", a=3.6, cubic=True).repeat((2, 1, 1))
    crystal.numbers[::3] = 6
    crystal.rattle(0.2, seed=1)
    compact = bulk("Cu", a=3.4)
    for atoms in (crystal, compact):
        atoms.pbc = True
    carbon = molecule("C2H6")
    carbon.numbers[:] = 6
    return [crystal, carbon, compact, Atoms("C"), Atoms("C2", [[0, 0, 0], [0, 0, 3.9]])]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("interaction", "hidden"), KINDS)
def test_energies_forces_and_stresses_are_those_of_maces_own_convolution(
    interaction: str, hidden: str, structures: list[Atoms], tmp_path: Path
) -> None:
    path = untrained(tmp_path / "m.model", interaction, hidden, pair_repulsion=True)
    models = MACEModels([path], "cpu")
    fused = [layer.conv_tp for layer in models._models[0].interactions]
    assert all(isinstance(one, Convolution) for one in fused)
    graph = models.build(structures)
    assert is_regular(graph["edge_index"], len(graph["positions"]))
    own = load(path).eval()(dict(graph), compute_stress=True)
    found = models.evaluate(graph, 0)
    np.testing.assert_allclose(found.energy, own["energy"].detach(), rtol=1e-12)
    np.testing.assert_allclose(found.forces, own["forces"].detach(), atol=1e-11)
    np.testing.assert_allclose(found.stress, own["stress"].detach(), atol=1e-12)
    assert np.abs(found.forces).max() > 1e-2


@pytest.mark.filterwarnings("ignore")
def test_a_graph_of_any_other_form_goes_maces_way(
    structures: list[Atoms], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = untrained(tmp_path / "m.model", *KINDS[0])
    models = MACEModels([path], "cpu")
    regular_ = models.evaluate(models.build(structures), 0)
    monkeypatch.setattr("potwright.potentials.edges.MOST_EDGES", 0)
    monkeypatch.setattr("potwright.potentials.edges.FEW_EDGES", 0)
    graph = models.build(structures)
    assert not is_regular(graph["edge_index"], len(graph["positions"]))
    for one, other in zip(models.evaluate(graph, 0), regular_, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11)


def edges_of(counts: list[int], seed: int = 0) -> Edges:
    """Atoms with so many edges each, in any order."""
    rng = np.random.default_rng(seed)
    receiver = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    senders = rng.integers(len(counts), size=len(receiver))
    unit_shifts = rng.integers(-1, 2, size=(len(receiver), 3)).astype(float)
    return Edges(np.stack([senders, receiver]), 3.0 * unit_shifts, unit_shifts, np.eye(3)[None] * 3)


def test_a_regular_graph_holds_every_edge_and_what_is_added_is_beyond_the_cutoff() -> None:
    edges = edges_of([3, 0, 5, 4])
    made = regular(edges, np.zeros(4, dtype=int), cutoff=7.0)
    assert np.bincount(made.pairs[1]).tolist() == [5, 5, 5, 5]
    before = sorted(map(tuple, np.concatenate([edges.pairs.T, edges.shifts], axis=1)))
    after = sorted(map(tuple, np.concatenate([made.pairs.T, made.shifts], axis=1)))
    added = [edge for edge in after if edge not in before]
    assert len(added) == 20 - 12 and sorted(added + before) == after
    for sender, receiver, *shift in added:
        assert sender == receiver and np.linalg.norm(shift) > 7.0
    np.testing.assert_allclose(made.unit_shifts * 3, made.shifts)


def test_a_graph_is_not_made_much_larger() -> None:
    edges = edges_of([2000] + [1] * 50)
    made = regular(edges, np.zeros(51, dtype=int), cutoff=7.0)
    assert made.pairs.shape == edges.pairs.shape
    assert (np.diff(made.pairs[1]) >= 0).all()
