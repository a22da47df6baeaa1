"""Evidence of what disagreement is worth: labels that no member of the committee has trained on.

Evidence is the validation split, predicted by the current committee (early stopping has looked at
it, so it is optimistic), and the audit sample of this iteration, predicted by the committee that
drew it. Only the audit sample, drawn regardless of disagreement, can show what a threshold misses.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from potwright.pes import PESData
from potwright.uncertainty import Predictions, force_uncertainty
from potwright.uncertainty.measurement import MILLI, audit_of, column, measure

logger = logging.getLogger(__name__)

VALIDATION, AUDIT, TEST = "validation", "audit", "test"
Sources = dict[str, tuple[Predictions, PESData]]
VANISHING_FORCE = 1e-3
"""eV/Å, root mean square of a component; no potential is this accurate but by symmetry."""


@dataclass(frozen=True, eq=False)
class AtomEvidence:
    """D and b of the force on each atom, eV/Å, and the group of its structure; shape (N,) each."""

    disagreement: np.ndarray
    error: np.ndarray
    group: np.ndarray


def evidence_sources(
    predictions: Predictions,
    predictions_previous: Predictions,
    labelled: PESData,
    iteration: int,
    record: Mapping[str, Any] | None = None,
) -> Sources:
    """Predictions and structures of each kind of evidence; isolated atoms are none.

    An audit structure counts once, as the committee predicted it which had not seen it.

    Parameters
    ----------
    predictions, predictions_previous
        Of the current committee, and of the one that drew the audit sample.
    labelled, iteration
        All labelled structures; the audit sample is what entered in this iteration.
    record
        What is known of the current committee: what any of its members has trained on is no
        evidence, whatever its split says.
    """
    audit = audit_of(labelled, iteration) & (predictions_previous.index_of(labelled.id) >= 0)
    lost = int(audit_of(labelled, iteration).sum() - audit.sum())
    if lost:
        logger.warning("%d audit structures have no predictions of when they were drawn", lost)
    crystals_and_molecules = labelled.origin != "isolated_atom"
    unseen = crystals_and_molecules & ~audit & ~trained_on(labelled, record or {})
    unseen &= predictions.index_of(labelled.id) >= 0
    validation = labelled.split == "validation"
    seen = int((validation & trained_on(labelled, record or {})).sum())
    if seen:
        logger.warning("%d validation structures were trained on and are no evidence", seen)
    return {
        VALIDATION: (predictions, labelled[validation & unseen]),
        AUDIT: (predictions_previous, labelled[audit & crystals_and_molecules]),
    }


def held_out_source(
    predictions: Predictions, labelled: PESData, record: Mapping[str, Any] | None = None
) -> Sources:
    """The test split, which nothing is fitted to; for reports only."""
    unseen = (labelled.split == TEST) & (labelled.origin != "isolated_atom")
    unseen &= ~trained_on(labelled, record or {}) & (predictions.index_of(labelled.id) >= 0)
    return {TEST: (predictions, labelled[unseen])}


def trained_on(labelled: PESData, record: Mapping[str, Any]) -> np.ndarray:
    """Which structures any member has trained on, as the committee's record says, shape (S,)."""
    ids = set(record.get("trained_on", ()))
    for member in record.get("training", ()):
        ids |= set(member.get("trained_on", ()))
    return np.array([id_ in ids for id_ in labelled.id.tolist()], dtype=bool)


def vanishing(
    reference: np.ndarray, disagreement: np.ndarray, mean_error: np.ndarray
) -> np.ndarray:
    """Where symmetry makes forces zero for the reference and for every member.

    There D and b are rounding, both of them far below all others: any rank correlation and any fit
    to logarithms would take that for knowledge.

    Parameters
    ----------
    reference, disagreement, mean_error
        Root mean squares over components, of structures or of atoms, eV/Å.
    """
    member_error = np.hypot(disagreement, mean_error)
    return (reference < VANISHING_FORCE) & (member_error < VANISHING_FORCE)


def force_sizes(structures: PESData) -> tuple[np.ndarray, np.ndarray]:
    """Root mean square force components of each structure (S,) and each atom (N,), eV/Å."""
    squares = (structures.forces**2).mean(axis=1)
    sums = np.bincount(structures.structure_of_atom, squares, minlength=len(structures))
    return np.sqrt(sums / structures.n_atoms), np.sqrt(squares)


def structure_evidence(sources: Sources) -> pd.DataFrame:
    """D, ε and b of all structures of evidence, with the kind of each in column ``evidence``.

    Those of forces that are :func:`vanishing` are NaN, and ``vanishing_forces`` is true.
    """
    parts = [_measured(p, s).assign(evidence=name) for name, (p, s) in sources.items()]
    return pd.concat(parts, ignore_index=True)


def _measured(predictions: Predictions, structures: PESData) -> pd.DataFrame:
    table = measure(predictions, structures)
    reference, _ = force_sizes(structures)
    of_forces = [column(kind, "forces") for kind in ("disagreement", "member_error", "mean_error")]
    disagreement, _, mean_error = table[of_forces].to_numpy(dtype=float).T / MILLI
    zero = vanishing(reference, disagreement, mean_error)
    table.loc[zero, of_forces] = np.nan
    return table.assign(vanishing_forces=zero)


def atom_evidence(sources: Sources) -> AtomEvidence:
    """D and b of the forces on all atoms of evidence, but for those that are vanishing."""
    parts = [_of_atoms(p, s) for p, s in sources.values() if len(s)]
    if not parts:
        return AtomEvidence(np.empty(0), np.empty(0), np.empty(0, dtype="<U1"))
    return AtomEvidence(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _of_atoms(
    predictions: Predictions, structures: PESData
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = force_uncertainty(
        predictions.select(structures.id).forces, structures.forces, structures.offsets
    )
    disagreement, mean_error = found.disagreement_per_atom, found.mean_error_per_atom
    _, reference = force_sizes(structures)
    kept = ~vanishing(reference, disagreement, mean_error)
    group = structures.group[structures.structure_of_atom]
    return disagreement[kept], mean_error[kept], group[kept]
