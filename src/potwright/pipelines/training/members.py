"""Training a committee: one task per member, each in a folder that its content names."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np

from potwright.errors import InputError
from potwright.execution import run_tasks
from potwright.pes import PESData
from potwright.pipelines.training.mace_trainer import MemberResult, MemberTask, train_member
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.pipelines.training.reference_energies import (
    ReferenceEnergies,
    is_isolated_atom,
    reference_energies,
)
from potwright.potentials import Committee
from potwright.potentials.mace import MACEPotential
from potwright.randomness import derived_seed

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSet:
    """What all members of a committee learn from."""

    training: PESData
    validation: PESData
    energies: ReferenceEnergies


def training_set(labelled: PESData) -> TrainingSet:
    """The structures that train and validate, and the reference energies.

    Isolated atoms are left out where they give the reference energies: what is learnt is the
    difference from them.

    Raises
    ------
    InputError
        If there is nothing to train or validate on.
    """
    energies = reference_energies(labelled)
    usable = labelled[labelled.has_labels]
    if energies.source == "isolated atoms":
        usable = usable[~is_isolated_atom(usable)]
    training, validation = (usable[usable.split == name] for name in ("training", "validation"))
    for name, part in (("training", training), ("validation", validation)):
        if not len(part):
            raise InputError(
                f"the {name} set is empty: {len(labelled)} labelled structures in "
                f"{len(np.unique(labelled.group))} independent groups are too few; label more"
            )
    return TrainingSet(training, validation, energies)


def train_members(
    labelled: PESData, workspace: Path, parameters: TrainingParameters, seed: int, iteration: int
) -> Committee:
    """Train all members; those which a killed run had finished are found again.

    Raises
    ------
    InputError
        If fewer than two members could be trained.
    """
    data = training_set(labelled)
    tasks = [
        member_task(
            data, workspace, parameters, derived_seed(seed, "training", iteration, member), member
        )
        for member in range(parameters.members)
    ]
    logger.info(
        "Training %d members on %d structures (%d validate); E0 from %s",
        len(tasks),
        len(data.training),
        len(data.validation),
        data.energies.source,
    )
    results: dict[int, MemberResult] = {}
    failures: dict[int, str] = {}
    outcomes = run_tasks(train_member, tasks, parameters.executor, description="training")
    for outcome in outcomes:
        if outcome.error is None:
            results[outcome.index] = cast(MemberResult, outcome.value)
        else:
            failure = f"member {outcome.index}: {outcome.error.kind}: {outcome.error.message}"
            failures[outcome.index] = failure
            logger.error("Training failed for %s", failure)
    said = [failures[i] for i in sorted(failures)]
    if len(results) < 2:
        raise InputError(
            "fewer than two members could be trained, and a committee needs two:\n"
            + "\n".join(said)
        )
    members = [results[i] for i in sorted(results)]
    record = _record(data, labelled, parameters, members, said)
    return Committee(tuple(MACEPotential(m.model) for m in members), record)


def member_task(
    data: TrainingSet, workspace: Path, parameters: TrainingParameters, seed: int, member: int
) -> MemberTask:
    """The task of one member; its folder is named after all that decides what the member is."""
    settings = parameters.trainer.model_dump(mode="json")
    digest = hashlib.blake2b(digest_size=12)
    for part in (data.training, data.validation):
        for column in ("id", "energy", "forces", "stress"):
            digest.update(np.ascontiguousarray(getattr(part, column)).tobytes())
    versions = [version(name) for name in ("mace-torch", "torch")]
    energies = sorted(data.energies.by_species.items())
    known = [settings, seed, energies, parameters.device, versions]
    digest.update(json.dumps(known).encode())
    return MemberTask(
        folder=workspace / f"member_{member}-{digest.hexdigest()}",
        training=data.training,
        validation=data.validation,
        energies=data.energies.by_species,
        trainer=parameters.trainer,
        seed=seed,
        device=parameters.device,
        member=member,
    )


def _record(
    data: TrainingSet,
    labelled: PESData,
    parameters: TrainingParameters,
    members: list[MemberResult],
    failures: list[str],
) -> dict[str, Any]:
    """What is known of a committee, as its folder keeps it."""
    levels = sorted(set(labelled.level_of_theory.tolist()))
    return {
        "backend": "mace",
        "versions": members[0].versions,
        "trainer": parameters.trainer.model_dump(mode="json"),
        "level_of_theory": levels,
        "species": labelled.species,
        "reference_energies_ev": {str(z): e for z, e in data.energies.by_species.items()},
        "reference_energies_source": data.energies.source,
        "training_structures": len(data.training),
        "validation_structures": len(data.validation),
        "trained_on": data.training.id.tolist(),
        "failures": failures,
        "training": [
            {
                "seed": m.seed,
                "epochs": m.epochs,
                "optimiser_steps": m.optimiser_steps,
                "seconds": m.seconds,
                "learning_curve": m.learning_curve,
            }
            for m in members
        ],
    }
