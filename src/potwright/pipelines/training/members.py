"""Training a committee: one task per member, each in a folder that its content names."""

from __future__ import annotations

import hashlib
import json
import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np

from potwright.errors import InputError
from potwright.execution import run_tasks
from potwright.pes import PESData
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.pipelines.training.starts import MemberStart, ScratchStart, member_starts
from potwright.pipelines.training.trainer import MemberResult, MemberTask, train_member
from potwright.pipelines.training.training_set import (
    TrainingSet,
    bootstrap,
    refuse_missing_labels,
    training_set,
)
from potwright.potentials import Committee
from potwright.potentials.model_file import ModelFile
from potwright.randomness import derived_seed, generator

logger = logging.getLogger(__name__)

RETRIES = 5
"""How often a member whose worker was lost is gone on with: each time it comes further."""


def train_members(
    labelled: PESData,
    workspace: Path,
    parameters: TrainingParameters,
    seed: int,
    iteration: int,
    *,
    previous: Committee | None = None,
) -> Committee:
    """Train all members; those which a killed run had finished are found again.

    Parameters
    ----------
    previous
        What the previous iteration left, for warm starts.

    Raises
    ------
    InputError
        If the data lack what is trained, the start does not fit them, or fewer than two members
        could be trained.
    """
    data = training_set(labelled)
    tasks = member_tasks(labelled, workspace, parameters, seed, iteration, previous=previous)
    logger.info(
        "Training %d members on %d structures (%d validate); E0 from %s",
        len(tasks),
        len(data.training),
        len(data.validation),
        data.energies.source,
    )
    results, failures = _run(tasks, parameters)
    record = _record(data, labelled, parameters) | {
        **_of_members([tasks[i] for i in results], results),
        "failures": failures,
    }
    backend = parameters.trainer.type
    return Committee(tuple(ModelFile(one.model, backend) for one in results.values()), record)


def member_tasks(
    labelled: PESData,
    workspace: Path,
    parameters: TrainingParameters,
    seed: int,
    iteration: int,
    *,
    previous: Committee | None = None,
) -> list[MemberTask]:
    """The tasks of all members; what it refuses is as in :func:`train_members`."""
    data = training_set(labelled)
    refuse_missing_labels(data, parameters.trainer)
    starts = member_starts(
        parameters.start,
        previous or Committee(()),
        parameters.trainer,
        species=labelled.species,
        members=parameters.members,
        folder=workspace,
        seed=seed,
    )
    drawn = [
        generator(seed, "training", iteration, member, "bootstrap") for member in range(len(starts))
    ]
    return [
        member_task(
            _own_data(data, parameters, start, drawn[member]),
            workspace,
            parameters,
            derived_seed(seed, "training", iteration, member),
            member,
            start=start,
        )
        for member, start in enumerate(starts)
    ]


def _run(
    tasks: list[MemberTask], parameters: TrainingParameters
) -> tuple[dict[int, MemberResult], list[str]]:
    """Results by member, and what is said of those that failed."""
    results: dict[int, MemberResult] = {}
    failures: dict[int, str] = {}
    outcomes = run_tasks(
        train_member,
        tasks,
        parameters.executor,
        description="training",
        retries=RETRIES,
    )
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
    return {i: results[i] for i in sorted(results)}, said


def _own_data(
    data: TrainingSet,
    parameters: TrainingParameters,
    start: MemberStart | None,
    random: np.random.Generator,
) -> TrainingSet:
    """What one member learns from.

    Members that start from scratch because nothing is there yet to start from need no bootstrap:
    their random weights differ.
    """
    if not parameters.start.bootstrap or (
        start is None and not isinstance(parameters.start, ScratchStart)
    ):
        return data
    return bootstrap(data, random)


def member_task(
    data: TrainingSet,
    workspace: Path,
    parameters: TrainingParameters,
    seed: int,
    member: int,
    *,
    start: MemberStart | None = None,
) -> MemberTask:
    """The task of one member; its folder is named after all that decides what the member is."""
    trainer = parameters.trainer if start is None else parameters.trainer_after(parameters.start)
    digest = hashlib.blake2b(digest_size=12)
    parts = [data.training, data.validation]
    if start is not None:
        digest.update(start.model.read_bytes())
        parts += [start.replay] if start.replay is not None else []
    for part in parts:
        for column in ("id", "energy", "forces", "stress"):
            digest.update(np.ascontiguousarray(getattr(part, column)).tobytes())
    versions = [version(name) for name in trainer.packages]
    energies = sorted(data.energies.by_species.items())
    known: list[Any] = [trainer.model_dump(mode="json"), seed, energies, parameters.device]
    if start is not None:
        known.append(
            [start.method, start.reinitialise_readouts, start.head or "", start.replay_weight]
        )
    digest.update(json.dumps([*known, versions]).encode())
    return MemberTask(
        folder=workspace / f"member_{member}-{digest.hexdigest()}",
        training=data.training,
        validation=data.validation,
        energies=data.energies.by_species,
        trainer=trainer,
        seed=seed,
        device=parameters.device,
        member=member,
        start=start,
    )


def _record(data: TrainingSet, labelled: PESData, parameters: TrainingParameters) -> dict[str, Any]:
    """What is known of all members of a committee alike, as its folder keeps it."""
    return {
        "backend": parameters.trainer.type,
        "trainer": parameters.trainer.model_dump(mode="json"),
        "start": parameters.start.model_dump(mode="json"),
        "level_of_theory": sorted(set(labelled.level_of_theory.tolist())),
        "species": labelled.species,
        "reference_energies_ev": {str(z): e for z, e in data.energies.by_species.items()},
        "reference_energies_source": data.energies.source,
        "training_structures": len(data.training),
        "validation_structures": len(data.validation),
    }


def _of_members(tasks: list[MemberTask], results: dict[int, MemberResult]) -> dict[str, Any]:
    """What is known of each member, and the union of what they were trained on.

    What the weights that a member starts from had been trained on, it has been, too.
    """
    trained_on = [
        list(
            dict.fromkeys(
                [*(task.start.trained_on if task.start else ()), *task.training.id.tolist()]
            )
        )
        for task in tasks
    ]
    return {
        "versions": next(iter(results.values())).versions,
        "trained_on": list(dict.fromkeys(id for ids in trained_on for id in ids)),
        "training": [
            {
                "member": member,
                "seed": result.seed,
                "started_from": "scratch" if task.start is None else str(task.start.model),
                "epochs": result.epochs,
                "optimiser_steps": result.optimiser_steps,
                "seconds": result.seconds,
                "resumed_after": result.resumed_after,
                "trained_on": own,
                "learning_curve": result.learning_curve,
            }
            for task, own, (member, result) in zip(tasks, trained_on, results.items(), strict=True)
        ],
    }
