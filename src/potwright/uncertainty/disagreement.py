"""How much the members of a committee disagree, and how wrong they are.

For M members with predictions xⱼ, their mean x̄ and a reference x_ref (AiiDA-TrainsPot, Digital
Discovery 2026, Eqs. 1 and 2):

- disagreement D: the standard deviation of the members about x̄;
- error ε: their root mean square deviation from x_ref, the error of one member;
- error of the mean b: |x̄ − x_ref|, the error of what a committee predicts.

Forces and stress are averaged as squares over atoms and components, energies are taken per atom.
Then ε² = D² + b² exactly, so that ε can never be less than D: a plot of D against ε rises even when
D knows nothing of the error of the mean. Only b can show that a disagreement is informative.

Structures are ragged: atoms of structure i are ``offsets[i]:offsets[i + 1]``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potwright.uncertainty.predictions import Predictions

PROPERTIES = ("energy", "forces", "stress")


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Disagreement and errors of one property, shape (S,) each; NaN where they are not defined.

    Attributes
    ----------
    disagreement
        D, the spread of the members.
    member_error
        ε, the root mean square error of a member.
    mean_error
        b, the error of the committee mean.
    """

    disagreement: np.ndarray
    member_error: np.ndarray
    mean_error: np.ndarray


@dataclass(frozen=True, eq=False)
class ForceUncertainty(Uncertainty):
    """Of forces, also per atom: root mean squares over the three components, shape (N,)."""

    disagreement_per_atom: np.ndarray
    mean_error_per_atom: np.ndarray


def energy_uncertainty(
    energy: np.ndarray, reference: np.ndarray, n_atoms: np.ndarray
) -> Uncertainty:
    """D, ε and b of energies per atom, eV/atom.

    Parameters
    ----------
    energy
        Total energies of the members, shape (M, S), eV.
    reference
        Total reference energies, shape (S,), eV; NaN where there is none.
    n_atoms
        Shape (S,).
    """
    variance, offset = _moments(energy / n_atoms, reference / n_atoms)
    return _uncertainty(variance, offset**2)


def force_uncertainty(
    forces: np.ndarray, reference: np.ndarray, offsets: np.ndarray
) -> ForceUncertainty:
    """D, ε and b of forces, eV/Å, over all atoms and components of each structure.

    Parameters
    ----------
    forces
        Forces of the members, shape (M, N, 3), eV/Å.
    reference
        Reference forces, shape (N, 3), eV/Å; NaN where there are none.
    offsets
        Shape (S + 1,).
    """
    variance, offset = _moments(forces, reference)
    atom_variance, atom_error = variance.mean(axis=1), (offset**2).mean(axis=1)
    whole = _uncertainty(_mean_over(atom_variance, offsets), _mean_over(atom_error, offsets))
    return ForceUncertainty(
        whole.disagreement,
        whole.member_error,
        whole.mean_error,
        np.sqrt(atom_variance),
        np.sqrt(atom_error),
    )


def force_disagreement(forces: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """D of forces alone, shape (S,), eV/Å: for structures that nothing has labelled."""
    return np.sqrt(_mean_over(forces.var(axis=0).mean(axis=1), offsets))


def stress_uncertainty(stress: np.ndarray, reference: np.ndarray) -> Uncertainty:
    """D, ε and b of stress over its six Voigt components, eV/Å³; NaN where there is no stress.

    Parameters
    ----------
    stress
        Stress of the members, shape (M, S, 6), eV/Å³.
    reference
        Shape (S, 6), eV/Å³; NaN where there is none.
    """
    variance, offset = _moments(stress, reference)
    return _uncertainty(variance.mean(axis=1), (offset**2).mean(axis=1))


def property_uncertainties(
    predictions: Predictions,
    energy: np.ndarray | None = None,
    forces: np.ndarray | None = None,
    stress: np.ndarray | None = None,
) -> dict[str, Uncertainty]:
    """D, ε and b of ``energy``, ``forces`` and ``stress``, in eV/atom, eV/Å and eV/Å³.

    Without a reference ε and b are NaN; D is always there.
    """
    structures, atoms = len(predictions), int(predictions.offsets[-1])
    energy = np.full(structures, np.nan) if energy is None else energy
    forces = np.full((atoms, 3), np.nan) if forces is None else forces
    stress = np.full((structures, 6), np.nan) if stress is None else stress
    return {
        "energy": energy_uncertainty(predictions.energy, energy, predictions.n_atoms),
        "forces": force_uncertainty(predictions.forces, forces, predictions.offsets),
        "stress": stress_uncertainty(predictions.stress, stress),
    }


def _moments(values: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance over the members, and the mean's distance from the reference."""
    if not len(values):  # no member: nothing is known
        return np.full(reference.shape, np.nan), np.full(reference.shape, np.nan)
    return values.var(axis=0), values.mean(axis=0) - reference


def _uncertainty(variance: np.ndarray, squared_error: np.ndarray) -> Uncertainty:
    return Uncertainty(np.sqrt(variance), np.sqrt(variance + squared_error), np.sqrt(squared_error))


def _mean_over(per_atom: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Mean over the atoms of each structure, shape (S,)."""
    if len(offsets) < 2:
        return np.empty(0)
    return np.add.reduceat(per_atom, offsets[:-1]) / np.diff(offsets)
