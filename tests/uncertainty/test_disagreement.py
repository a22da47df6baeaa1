from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from potwright.uncertainty import (
    Predictions,
    Uncertainty,
    energy_uncertainty,
    force_disagreement,
    force_uncertainty,
    property_uncertainties,
    stress_uncertainty,
)

numbers = st.floats(-50, 50, allow_subnormal=False)


@st.composite
def committees(draw: st.DrawFn) -> dict[str, Any]:
    """Members' forces and energies of ragged structures, and a reference."""
    counts = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    members, atoms = draw(st.integers(2, 5)), sum(counts)
    return {
        "offsets": np.concatenate([[0], np.cumsum(counts)]),
        "forces": draw(arrays(float, (members, atoms, 3), elements=numbers)),
        "forces_ref": draw(arrays(float, (atoms, 3), elements=numbers)),
        "energy": draw(arrays(float, (members, len(counts)), elements=numbers)),
        "energy_ref": draw(arrays(float, len(counts), elements=numbers)),
        "stress": draw(arrays(float, (members, len(counts), 6), elements=numbers)),
        "stress_ref": draw(arrays(float, (len(counts), 6), elements=numbers)),
    }


def all_properties(c: dict[str, Any]) -> dict[str, Uncertainty]:
    predictions = Predictions(
        id=[f"{i:032x}" for i in range(len(c["energy_ref"]))],
        offsets=c["offsets"],
        energy=c["energy"],
        forces=c["forces"],
        stress=c["stress"],
    )
    return property_uncertainties(predictions, c["energy_ref"], c["forces_ref"], c["stress_ref"])


def test_opposite_forces_disagree_by_exactly_one() -> None:
    one = np.ones((1, 7, 3))
    np.testing.assert_array_equal(
        force_disagreement(np.concatenate([one, -one]), np.array([0, 3, 7])), [1, 1]
    )


@given(committees())
def test_squared_member_error_is_squared_disagreement_plus_squared_error_of_the_mean(
    committee: dict[str, Any],
) -> None:
    for name, u in all_properties(committee).items():
        np.testing.assert_allclose(
            u.member_error**2, u.disagreement**2 + u.mean_error**2, atol=1e-9, err_msg=name
        )


@given(committees())
def test_member_error_is_the_rms_deviation_of_members_from_the_reference(
    committee: dict[str, Any],
) -> None:
    """Eq. 2 by its own words, structure by structure."""
    offsets, measured = committee["offsets"], all_properties(committee)
    for i, (start, stop) in enumerate(pairwise(offsets)):
        f = committee["forces"][:, start:stop] - committee["forces_ref"][start:stop]
        e = (committee["energy"][:, i] - committee["energy_ref"][i]) / (stop - start)
        s = committee["stress"][:, i] - committee["stress_ref"][i]
        for name, deviation in (("forces", f), ("energy", e), ("stress", s)):
            rms = np.sqrt(np.mean(deviation**2))
            np.testing.assert_allclose(measured[name].member_error[i], rms, atol=1e-6)


@given(committees(), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_rotation_and_order_of_atoms_and_members_change_nothing(
    committee: dict[str, Any], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    offsets, forces = committee["offsets"], committee["forces"]
    within = [rng.permutation(np.arange(a, b)) for a, b in pairwise(offsets)]
    turn = Rotation.random(random_state=seed).as_matrix()
    moved = (forces @ turn.T)[rng.permutation(len(forces))][:, np.concatenate(within)]
    np.testing.assert_allclose(
        force_disagreement(moved, offsets), force_disagreement(forces, offsets), atol=1e-9
    )


@given(committees(), numbers)
@settings(max_examples=50)
def test_what_all_members_share_is_no_disagreement(committee: dict[str, Any], shift: float) -> None:
    shifted = {k: committee[k] + shift for k in ("energy", "forces", "stress")}
    before, after = all_properties(committee), all_properties({**committee, **shifted})
    for name in before:
        np.testing.assert_allclose(
            after[name].disagreement, before[name].disagreement, atol=1e-7, err_msg=name
        )


def test_disagreement_does_not_depend_on_the_size_of_the_cell() -> None:
    """n copies of a cell have n times its energy, and the same forces: D is that of the cell."""
    rng = np.random.default_rng(1)
    energy, forces = rng.normal(size=(4, 1)), rng.normal(size=(4, 6, 3))
    n = 8
    large = energy_uncertainty(n * energy, np.array([np.nan]), np.array([6 * n]))
    small = energy_uncertainty(energy, np.array([np.nan]), np.array([6]))
    np.testing.assert_allclose(large.disagreement, small.disagreement, rtol=1e-12)
    np.testing.assert_allclose(
        force_disagreement(np.tile(forces, (1, n, 1)), np.array([0, 6 * n])),
        force_disagreement(forces, np.array([0, 6])),
        rtol=1e-12,
    )


def test_per_atom_values_average_as_squares_to_those_of_the_structure() -> None:
    rng = np.random.default_rng(2)
    u = force_uncertainty(
        rng.normal(size=(3, 5, 3)), rng.normal(size=(5, 3)), offsets=np.array([0, 5])
    )
    assert u.disagreement_per_atom.shape == u.mean_error_per_atom.shape == (5,)
    for atoms, whole in (
        (u.disagreement_per_atom, u.disagreement),
        (u.mean_error_per_atom, u.mean_error),
    ):
        np.testing.assert_allclose(np.sqrt(np.mean(atoms**2)), whole[0])


def test_a_molecule_without_stress_has_no_stress_disagreement() -> None:
    stress = np.ones((2, 2, 6))
    stress[:, 1] = np.nan
    u = stress_uncertainty(stress, np.ones((2, 6)))
    assert u.disagreement[0] == 0
    assert np.isnan([u.disagreement[1], u.member_error[1], u.mean_error[1]]).all()


def test_without_labels_there_is_disagreement_but_no_error() -> None:
    predictions = Predictions(
        ["a"], [0, 1], [[1.0], [3.0]], np.zeros((2, 1, 3)), np.zeros((2, 1, 6))
    )
    energy = property_uncertainties(predictions)["energy"]
    assert energy.disagreement.tolist() == [1.0]
    assert np.isnan(energy.member_error).all()
