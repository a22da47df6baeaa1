"""Which structures trajectories start from: labelled ones, drawn by their split or listed."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from potwright.errors import InputError
from potwright.pes import PESData

logger = logging.getLogger(__name__)
SHARES = {"training": 0.8, "validation": 0.1, "test": 0.1}


Listed = int | str
"""A structure of the augmented set by its number there, or by the beginning of its id."""


def possible_starts(augmented: PESData, labelled: PESData) -> PESData:
    """The labelled structures, with their split and group, that the campaign began with.

    These are those of the augmented set, and those that came with labels made elsewhere (which
    entered before the first iteration). Isolated atoms, and any other single atom without periodic
    direction, have nothing to explore.

    Raises
    ------
    InputError
        If there is none.
    """
    of_augmented_set = augmented.index_of(labelled.id) >= 0
    first = of_augmented_set | (labelled.iteration == 0)
    fit = first & labelled.has_labels & ~_alone(labelled)
    if not fit.any():
        raise InputError(
            f"exploration has no structure to start from: of {len(labelled)} labelled structures "
            f"{int(first.sum())} are of the {len(augmented)} augmented ones or came with labels, "
            "and none of these is more than an isolated atom; label some of the augmented "
            "structures first"
        )
    return labelled[fit]


def listed_starts(listed: Sequence[Listed], augmented: PESData, labelled: PESData) -> PESData:
    """The labelled structures that a user names, in this order.

    Raises
    ------
    InputError
        If there is no such structure, or it cannot be a start.
    """
    ids = ids_of_listed(listed, augmented, labelled)
    place = labelled.index_of(np.array(ids))
    for name, i, id in zip(listed, place.tolist(), ids, strict=True):
        if i < 0 or not labelled.has_labels[i]:
            raise InputError(
                f"exploration.starts: {_quoted(name)} (structure {id}) has no label, hence no "
                "place in the split; name one that has"
            )
    return labelled[place]


def ids_of_listed(
    listed: Sequence[Listed], augmented: PESData, labelled: PESData | None = None
) -> list[str]:
    """The ids of structures that a user names, labelled or not.

    Raises
    ------
    InputError
        If a number is out of range, an id is not found or not unique, or the structure is a lone
        atom.
    """
    known = augmented if labelled is None else PESData.concatenate([augmented, labelled])
    known = known.drop_duplicates()
    found = []
    for name in listed:
        if isinstance(name, int):
            if not 0 <= name < len(augmented):
                numbered = f", numbered from 0 to {len(augmented) - 1}" if len(augmented) else ""
                raise InputError(
                    f"exploration.starts: there is no structure {name}; the augmented set has "
                    f"{len(augmented)}{numbered}"
                )
            id = str(augmented.id[name])
        else:
            matching = known.id[np.char.startswith(known.id.astype(str), name)].tolist()
            if len(matching) != 1:
                raise InputError(
                    f"exploration.starts: of {len(known)} structures {len(matching) or 'none'} "
                    f"{'have' if matching else 'has'} an id that begins with {name!r}; "
                    "labelling_report and exploration_report show ids"
                )
            id = str(matching[0])
        if _alone(known[known.index_of(np.array([id]))])[0]:
            raise InputError(
                f"exploration.starts: {_quoted(name)} is an isolated atom, which has nothing to "
                "explore"
            )
        found.append(id)
    return found


def listed_in(listed: Sequence[Listed], augmented: PESData) -> list[tuple[Listed, int]]:
    """Those that a user names of the augmented set, with their numbers; others came with labels."""
    found: list[tuple[Listed, int]] = []
    for name in listed:
        if isinstance(name, int):
            found.append((name, name))
            continue
        matching = np.flatnonzero(np.char.startswith(augmented.id.astype(str), name))
        if len(matching) == 1:
            found.append((name, int(matching[0])))
    return found


def _quoted(name: Listed) -> str:
    return f"number {name}" if isinstance(name, int) else repr(name)


def _alone(pes: PESData) -> np.ndarray:
    """Which are a single atom that nothing holds, shape (S,)."""
    single = (pes.n_atoms == 1) & ~pes.pbc.any(axis=1)
    return single | (pes.origin == "isolated_atom")


def draw_starts(possible: PESData, count: int, rng: np.random.Generator) -> PESData:
    """``count`` different structures, 80/10/10 over training, validation and test.

    Where a split has fewer than its share, the others stand in. Fewer structures than ``count``
    are all taken.
    """
    order = rng.permutation(len(possible))
    quota = quotas(min(count, len(possible)))
    chosen: list[int] = []
    for name, share in quota.items():
        members = [i for i in order if possible.split[i] == name]
        chosen += members[:share]
    missing = min(count, len(possible)) - len(chosen)
    if missing:
        taken = set(chosen)
        chosen += [i for i in order if i not in taken][:missing]
        logger.info("%d starts are of other splits than their share says: too few there", missing)
    if len(possible) < count:
        logger.warning(
            "%d trajectories are asked for, but only %d structures can start one",
            count,
            len(possible),
        )
    return possible[rng.permutation(chosen)]


def quotas(count: int) -> dict[str, int]:
    """``count`` shared out 80/10/10 by largest remainder; a tie goes to validation, then test."""
    exact = {name: share * count for name, share in SHARES.items()}
    quota = {name: int(np.floor(value + 1e-9)) for name, value in exact.items()}
    order = ("validation", "test", "training")
    by_remainder = sorted(order, key=lambda name: round(quota[name] - exact[name], 9))
    for name in by_remainder[: count - sum(quota.values())]:
        quota[name] += 1
    return quota
