from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from potwright.pes import PESData
from potwright.pipelines.evaluation.metrics import errors, metrics_table
from potwright.uncertainty import Predictions


def predicted(pes: PESData, offsets_ev: list[float]) -> Predictions:
    """Members that are off by a constant: per atom in energy, in every force and stress."""
    off = np.array(offsets_ev)
    members, atoms = len(off), int(pes.offsets[-1])
    return Predictions(
        id=pes.id,
        offsets=pes.offsets,
        energy=pes.energy + off[:, None] * pes.n_atoms,
        forces=np.broadcast_to(off[:, None, None], (members, atoms, 3)),
        stress=np.broadcast_to(off[:, None, None], (members, len(pes), 6)),
    )


def test_known_offsets_give_known_errors(structures: Any) -> None:
    pes = structures(5)
    measured = errors(predicted(pes, [0.001, -0.003]), pes)
    for name in ("energy", "forces", "stress"):
        values = {k: v for k, v in measured.items() if f"_{name}_" in k}
        mean, std, committee = values.values()
        assert mean == pytest.approx(2.0)  # of 1 and 3 meV
        assert std == pytest.approx(np.sqrt(2))
        assert committee == pytest.approx(1.0)  # the mean is off by -1 meV


def test_large_structures_count_by_their_atoms_in_forces_and_once_in_energy(
    structures: Any,
) -> None:
    many = structures(20)
    pes = many[[int(many.n_atoms.argmin()), int(many.n_atoms.argmax())]]
    counts = pes.n_atoms
    assert counts[0] < counts[1]
    off = np.array([[0.0, 0.001]])  # only the second structure is wrong
    predictions = Predictions(
        id=pes.id,
        offsets=pes.offsets,
        energy=off * counts,
        forces=np.repeat(off, counts, axis=1)[..., None] * np.ones(3),
        stress=np.zeros((1, 2, 6)),
    )
    measured = errors(predictions, pes)
    share = counts[1] / counts.sum()
    assert measured["rmse_energy_committee_mev_per_atom"] == pytest.approx(np.sqrt(0.5))
    assert measured["rmse_forces_committee_mev_per_angstrom"] == pytest.approx(np.sqrt(share))


def test_a_structure_without_stress_does_not_count_for_stress(structures: Any) -> None:
    pes = structures(3)
    stress = pes.stress.copy()
    stress[0] = np.nan
    partly = pes.replace(stress=stress)
    assert errors(predicted(partly, [0.002]), partly)[
        "rmse_stress_committee_mev_per_angstrom3"
    ] == pytest.approx(2.0)


def test_a_prediction_that_is_no_number_is_not_left_out(structures: Any) -> None:
    pes = structures(3)
    found = predicted(pes, [0.002, 0.002])
    energy = found.energy.copy()
    energy[1, 0] = np.nan
    broken = Predictions(found.id, found.offsets, energy, found.forces, found.stress)
    measured = errors(broken, pes)
    assert np.isnan(measured["rmse_energy_committee_mev_per_atom"])
    assert np.isfinite(measured["rmse_forces_committee_mev_per_angstrom"])


def test_the_first_test_set_stays_the_same_when_later_ones_grow(structures: Any) -> None:
    first = structures(4, seed=1, split="test", iteration=1, origin="rattle")
    later = structures(3, seed=2, split="test", iteration=2, origin="md")
    both = PESData.concatenate([first, later])
    table = metrics_table(predicted(both, [0.001, 0.001]), Predictions.empty(), both, 2)
    sizes = table.set_index(["set", "origin"])["structures"]
    assert sizes["test", "all"] == 7
    assert sizes["test", "md"] == 3
    assert sizes["test of first iteration", "all"] == 4
    assert ("test of first iteration", "md") not in sizes


def test_the_audit_sample_is_scored_with_the_committee_that_drew_it(structures: Any) -> None:
    audit = structures(4, iteration=2, split="training", origin="md")
    audit = audit.replace(info=[{"audit": True}] * 4)
    table = metrics_table(predicted(audit, [0.001] * 2), predicted(audit, [0.005] * 2), audit, 2)
    errors_by_set = table[table.origin == "all"].set_index("set")[
        "rmse_energy_committee_mev_per_atom"
    ]
    assert errors_by_set["training"] == pytest.approx(1.0)
    assert errors_by_set["audit"] == pytest.approx(5.0)


def test_what_a_member_has_trained_on_is_in_no_held_out_row_but_counted(structures: Any) -> None:
    """Which happens where a campaign begins with potentials that know its structures."""
    pes = structures(9, split=["training"] * 3 + ["validation"] * 3 + ["test"] * 3, iteration=1)
    off = np.full(9, 0.005)
    seen = [0, 3, 4, 6, 7, 8]
    off[seen] = 0.0  # whoever has seen a structure is right
    predictions = Predictions(
        id=pes.id,
        offsets=pes.offsets,
        energy=(pes.energy + off * pes.n_atoms)[None].repeat(2, axis=0),
        forces=np.stack([pes.forces] * 2),
        stress=np.stack([pes.stress] * 2),
    )
    record = {"trained_on": [], "training": [{"trained_on": pes.id[seen].tolist()}, {}]}
    table = metrics_table(predictions, Predictions.empty(), pes, 1, record)
    rows = table[table.origin == "all"].set_index("set")
    assert rows["structures"].to_dict() == {
        "training": 3,
        "validation": 1,
        "test": 0,
        "test of first iteration": 0,
    }
    assert rows["left_out"].tolist() == [0, 2, 3, 3]
    error = rows["rmse_energy_committee_mev_per_atom"]
    assert error["validation"] == pytest.approx(5.0)
    assert error["training"] == pytest.approx(5.0 * np.sqrt(2 / 3))
    assert np.isnan(error["test"])
