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
from potwright.uncertainty.measurement import audit_of, measure

logger = logging.getLogger(__name__)

VALIDATION, AUDIT, TEST = "validation", "audit", "test"
Sources = dict[str, tuple[Predictions, PESData]]


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


def structure_evidence(sources: Sources) -> pd.DataFrame:
    """D, ε and b of all structures of evidence, with the kind of each in column ``evidence``."""
    parts = [measure(p, s).assign(evidence=name) for name, (p, s) in sources.items()]
    return pd.concat(parts, ignore_index=True)


def atom_evidence(sources: Sources) -> AtomEvidence:
    """D and b of the forces on all atoms of evidence."""
    parts = [
        (
            force_uncertainty(
                predictions.select(structures.id).forces, structures.forces, structures.offsets
            ),
            structures.group[structures.structure_of_atom],
        )
        for predictions, structures in sources.values()
        if len(structures)
    ]
    if not parts:
        return AtomEvidence(np.empty(0), np.empty(0), np.empty(0, dtype="<U1"))
    return AtomEvidence(
        np.concatenate([part.disagreement_per_atom for part, _ in parts]),
        np.concatenate([part.mean_error_per_atom for part, _ in parts]),
        np.concatenate([group for _, group in parts]),
    )
