"""Nodes of the training pipeline."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from potwright.errors import InputError
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.training import existing
from potwright.pipelines.training.members import train_members
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.pipelines.training.split import assign_splits
from potwright.potentials import Committee


def merge_labels(
    labelled_previous: PESData,
    labels: PESData,
    parameters: TrainingParameters,
    campaign: CampaignParameters,
    seed: int,
) -> PESData:
    """Add the new labels to those of earlier iterations, and settle their split for good."""
    _refuse_two_levels(labelled_previous, labels)
    iteration = campaign.next_iteration(labelled_previous.iteration)
    new = labels.drop_duplicates()
    new = new[labelled_previous.index_of(new.id) < 0]
    fractions = parameters.split.model_dump()
    return PESData.concatenate(
        [labelled_previous, assign_splits(labelled_previous, new, fractions, seed, iteration)]
    )


def train_committee(
    labelled: PESData,
    workspace: Path,
    parameters: TrainingParameters,
    campaign: CampaignParameters,
    seed: int,
    *,
    committee_previous: Committee | None = None,
    initial_committee: Committee | None = None,
) -> Committee:
    """Train all members on the training split, each from its own seed.

    A campaign that begins with potentials trains none in its first iteration.
    """
    if initial_committee and not committee_previous:
        return existing.take(initial_committee, labelled)
    iteration = campaign.iteration_of(labelled.iteration)
    return train_members(
        labelled, workspace, parameters, seed, iteration, previous=committee_previous
    )


def training_report(committee: Committee) -> pd.DataFrame:
    """Learning curves of all members: validation loss and errors by epoch (eV, eV/Å, eV/Å³)."""
    rows = [
        {"member": member, "seed": training["seed"], **point}
        for member, training in enumerate(committee.record.get("training", []))
        for point in training["learning_curve"]
    ]
    return pd.DataFrame(rows, columns=None if rows else ["member", "seed", "epoch", "loss"])


def _refuse_two_levels(labelled_previous: PESData, labels: PESData) -> None:
    before, now = ({*pes.level_of_theory.tolist()} - {""} for pes in (labelled_previous, labels))
    if len(before | now) > 1:
        raise InputError(
            f"labelled_structures holds labels at level of theory {', '.join(sorted(before))}, and "
            f"labels at {', '.join(sorted(now))}. One dataset holds one level: label them all at "
            "one (`kedro campaign relabel`), or start another campaign"
        )
