"""Which structures trajectories start from: labelled ones, in proportion to the splits."""

from __future__ import annotations

import logging

import numpy as np

from potwright.errors import InputError
from potwright.pes import PESData

logger = logging.getLogger(__name__)
SHARES = {"training": 0.8, "validation": 0.1, "test": 0.1}


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
    alone = (labelled.n_atoms == 1) & ~labelled.pbc.any(axis=1)
    fit = first & labelled.has_labels & ~alone & (labelled.origin != "isolated_atom")
    if not fit.any():
        raise InputError(
            f"exploration has no structure to start from: of {len(labelled)} labelled structures "
            f"{int(first.sum())} are of the {len(augmented)} augmented ones or came with labels, "
            "and none of these is more than an isolated atom; label some of the augmented "
            "structures first"
        )
    return labelled[fit]


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
