"""Where a member's weights come from: nowhere, its own last iteration, or a foundation model."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from potwright.errors import InputError
from potwright.parameters import Parameters
from potwright.pes import PESData
from potwright.pipelines.training.trainer import Trainer
from potwright.potentials import Committee
from potwright.potentials.species import in_symbols
from potwright.randomness import generator

logger = logging.getLogger(__name__)

FEWEST_REPLAYED = 10
"""One in ten of them validates."""


def _refuse_two_lengths(epochs: int | None, optimiser_steps: int | None) -> None:
    if epochs is not None and optimiser_steps is not None:
        raise ValueError("`epochs` and `optimiser_steps` both say how long to train; give one")


class ScratchStart(Parameters):
    """Random weights."""

    type: Literal["scratch"] = "scratch"
    bootstrap: bool = False


class WarmStart(Parameters):
    """The weights of the same member of the previous iteration; the first is from scratch.

    Attributes
    ----------
    bootstrap
        Each member learns from groups of structures drawn with replacement.
    reinitialise_readouts
        Each member's last layers begin at random.
    epochs, optimiser_steps
        Instead of those of the trainer.
    """

    type: Literal["warm"]
    bootstrap: bool = True
    reinitialise_readouts: bool = True
    epochs: int | None = Field(default=None, ge=1)
    optimiser_steps: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        _refuse_two_lengths(self.epochs, self.optimiser_steps)
        return self


class FoundationStart(Parameters):
    """The weights of a model that was trained on other data.

    Attributes
    ----------
    model
        Path of its file, or a name that the backend knows.
    head
        Of a model with several: which one.
    method
        ``naive``: all weights learn; ``multihead`` (MACE): beside a second head that repeats what
        the foundation model had learnt, on the structures of ``replay``; ``heads``, ``lora``
        (metatrain's PET): the last layers, or low-rank corrections.
    each_iteration
        Begin anew from the foundation model in each iteration; else, after the first, warm.
    replay, replay_labels, replay_structures, replay_weight
        For ``multihead``: a file of structures, where their labels are (see
        :meth:`PESData.from_atoms`), how many of them to draw (all: null), and their weight in the
        loss.
    """

    type: Literal["foundation"]
    model: str
    head: str | None = None
    method: Literal["naive", "multihead", "heads", "lora"] = "naive"
    each_iteration: bool = True
    bootstrap: bool = True
    reinitialise_readouts: bool = True
    epochs: int | None = Field(default=None, ge=1)
    optimiser_steps: int | None = Field(default=None, ge=1)
    replay: str | None = None
    replay_labels: str = "calculator"
    replay_structures: int | None = Field(default=None, ge=FEWEST_REPLAYED)
    replay_weight: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        _refuse_two_lengths(self.epochs, self.optimiser_steps)
        return self

    @model_validator(mode="after")
    def _replay_is_for_multihead(self) -> Self:
        if (self.method == "multihead") != (self.replay is not None):
            raise ValueError(
                "method `multihead` needs `replay`, a file of structures with labels of the "
                "foundation model's level, and no other method has use for one"
            )
        return self


StartParameters = Annotated[ScratchStart | WarmStart | FoundationStart, Field(discriminator="type")]


@dataclass(frozen=True)
class MemberStart:
    """Where one member's weights come from.

    Attributes
    ----------
    model
        A model file of the trainer's backend.
    replay
        Structures that the second head repeats; None but for ``multihead``.
    trained_on
        Ids of the structures that these weights have been trained on before, as far as is known.
    """

    model: Path
    method: str = "naive"
    reinitialise_readouts: bool = True
    head: str | None = None
    replay: PESData | None = None
    replay_weight: float = 1.0
    trained_on: tuple[str, ...] = ()


def member_starts(
    start: ScratchStart | WarmStart | FoundationStart,
    previous: Committee,
    trainer: Trainer,
    *,
    species: list[int],
    members: int,
    folder: Path,
    seed: int,
) -> list[MemberStart | None]:
    """Where each member begins; None: from scratch.

    Parameters
    ----------
    previous
        What the previous iteration left; without members in the first one.
    species
        Atomic numbers that the models will have to know.
    folder
        For a foundation model that the backend fetches.
    seed
        Of the project, from which the draw of replayed structures derives.

    Raises
    ------
    InputError
        If there is no such model, it is of another backend, or it lacks a species.
    """
    if isinstance(start, FoundationStart) and (start.each_iteration or not len(previous)):
        found = trainer.foundation(start.model, folder)
        refuse_unknown_species(trainer, found, species, f"the foundation model {start.model}")
        one = MemberStart(
            model=found,
            method=start.method,
            reinitialise_readouts=start.reinitialise_readouts,
            head=start.head,
            replay=_drawn(replayable(start, species), start, seed) if start.replay else None,
            replay_weight=start.replay_weight,
        )
        logger.info("Fine-tuning %s (%s)", start.model, start.method)
        return [one] * members
    if isinstance(start, ScratchStart) or not len(previous):
        return [None] * members
    backend = previous.record.get("backend", "mace")
    if backend != trainer.type:
        raise InputError(
            f"training.start: the previous committee is of {backend}, and members of "
            f"{trainer.type} cannot start from it; use `type: scratch` for one iteration"
        )
    places = _same_members(previous, members)
    files = [trainer.restartable(previous.members[place].path) for place in places]
    for file in dict.fromkeys(files):
        if not file.is_file():
            raise InputError(f"training.start: {file}: there is no such file to start from")
        refuse_unknown_species(trainer, file, species, "the previous iteration's member")
    return [
        MemberStart(
            file,
            reinitialise_readouts=start.reinitialise_readouts,
            trained_on=_trained_on(previous, place),
        )
        for file, place in zip(files, places, strict=True)
    ]


def _trained_on(previous: Committee, place: int) -> tuple[str, ...]:
    """What a member has been trained on; what any has, if only that is known."""
    trained = previous.record.get("training", [])
    known = trained[place] if place < len(trained) else {}
    return tuple(known.get("trained_on", previous.record.get("trained_on", ())))


def _same_members(previous: Committee, members: int) -> list[int]:
    """The place in the previous committee of the member that each one starts from."""
    trained = previous.record.get("training", [])
    numbers = [one.get("member", place) for place, one in enumerate(trained)]
    numbers += list(range(len(numbers), len(previous)))
    places = {number: place for place, number in enumerate(numbers)}
    lost = [member for member in range(members) if member not in places]
    if lost:
        logger.warning(
            "The previous committee has no member %s; these start from another member",
            ", ".join(map(str, lost)),
        )
    return [places.get(member, member % len(previous)) for member in range(members)]


def refuse_unknown_species(trainer: Trainer, model: Path, species: list[int], what: str) -> None:
    """Refuse to train these species from a model that does not know them.

    Raises
    ------
    InputError
        Naming them.
    """
    known = set(trainer.species(model))
    unknown = set(species) - known
    if unknown:
        raise InputError(
            f"training.start: {what} does not know {in_symbols(unknown)} (it knows "
            f"{in_symbols(known)}); start from a model that "
            "does, or from scratch (`type: scratch`)"
        )


def replayable(start: FoundationStart, species: list[int] | None = None) -> PESData:
    """The labelled structures of ``replay``, of these species if they are known.

    Raises
    ------
    InputError
        If there is no such file, it cannot be read, or it holds too few.
    """
    import ase.io

    path = Path(str(start.replay)).expanduser()
    where = f"training.start.replay: {path}"
    if not path.is_file():
        raise InputError(f"{where}: there is no such file")
    if path.suffix == ".h5":
        pes = PESData.read(path)
    else:
        try:
            atoms = ase.io.read(path, index=":")
        except Exception as error:  # ASE's readers raise anything
            raise InputError(f"{where} cannot be read as structures ({error})") from error
        pes = PESData.from_atoms(atoms, labels=start.replay_labels)
    labelled, of_which = pes[pes.has_labels], ""
    if species is not None and len(labelled):
        foreign = np.add.reduceat(~np.isin(labelled.numbers, species), labelled.offsets[:-1]) > 0
        labelled, of_which = labelled[~foreign], ", of the species that are trained"
    if len(labelled) < FEWEST_REPLAYED:
        raise InputError(
            f"{where} holds {len(labelled)} structures with an energy{of_which}, and at least "
            f"{FEWEST_REPLAYED} are needed; `replay_labels` ({start.replay_labels!r}) says where "
            "labels are"
        )
    logger.info("%d of the %d structures in %s can be replayed", len(labelled), len(pes), path)
    return labelled


def _drawn(replay: PESData, start: FoundationStart, seed: int) -> PESData:
    """As many structures as are asked for, the same ones in each iteration."""
    if start.replay_structures is None or start.replay_structures >= len(replay):
        return replay
    order = generator(seed, "training", "replay").permutation(len(replay))
    return replay[np.sort(order[: start.replay_structures])]
