"""What members learn from."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.pipelines.training.reference_energies import (
    ReferenceEnergies,
    is_isolated_atom,
    reference_energies,
)
from potwright.pipelines.training.trainer import Trainer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSet:
    """What a member learns from."""

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
    first_atoms = usable.numbers[usable.offsets[:-1]]
    usable = usable[~(is_isolated_atom(usable) & np.isin(first_atoms, energies.of_atoms))]
    training, validation = (usable[usable.split == name] for name in ("training", "validation"))
    for name, part in (("training", training), ("validation", validation)):
        if not len(part):
            raise InputError(
                f"the {name} set is empty: {len(labelled)} labelled structures in "
                f"{len(np.unique(labelled.group))} independent groups are too few; label more"
            )
    return TrainingSet(training, validation, energies)


def bootstrap(data: TrainingSet, random: np.random.Generator) -> TrainingSet:
    """As many groups of the training structures as there are, drawn with replacement.

    A group that is drawn twice is there twice. Members which begin with the same weights differ by
    this.
    """
    groups, place = np.unique(data.training.group, return_inverse=True)
    drawn = random.integers(len(groups), size=len(groups))
    times = np.bincount(drawn, minlength=len(groups))[place]
    return replace(data, training=data.training[np.repeat(np.arange(len(data.training)), times)])


def refuse_missing_labels(data: TrainingSet, trainer: Trainer) -> None:
    """Refuse data that hold nothing of a property that is trained, and say how many lack one.

    Raises
    ------
    InputError
        Naming the property, and what to do.
    """
    for name, part in (("training", data.training), ("validation", data.validation)):
        per_atom = np.isfinite(part.forces).all(axis=1).astype(int)
        has_forces = np.add.reduceat(per_atom, part.offsets[:-1]) == part.n_atoms
        _refuse("forces", name, has_forces, "label with an engine that gives them")
        if trainer.trains_stress:
            periodic = np.asarray(part.pbc.any(axis=1))
            has_stress = np.isfinite(part.stress[periodic]).all(axis=1)
            _refuse("stress", name, has_stress, _without_stress(trainer))


def _refuse(name: str, part: str, there: np.ndarray, advice: str) -> None:
    if len(there) and not there.any():
        raise InputError(
            f"{name} is trained, but none of the {len(there)} structures of the {part} set that "
            f"can have it is labelled with it; {advice}"
        )
    if not there.all():
        logger.warning(
            "%d of %d structures of the %s set have no label for %s, and do not teach it",
            int((~there).sum()),
            len(there),
            part,
            name,
        )


def _without_stress(trainer: Trainer) -> str:
    how = "`stress: false`" if trainer.type == "metatrain" else "`settings.loss: weighted`"
    return f"train without it (training.trainer: {how}), or label with an engine that gives it"
