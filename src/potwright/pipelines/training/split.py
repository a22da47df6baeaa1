"""Training, validation, test: assigned once, group by group, and never changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import groupby

import numpy as np

from potwright.pes import PESData
from potwright.pipelines.training.reference_energies import is_isolated_atom
from potwright.randomness import generator

logger = logging.getLogger(__name__)
SPLITS = ("training", "validation", "test")


def assign_splits(
    known: PESData, new: PESData, fractions: Mapping[str, float], seed: int, iteration: int
) -> PESData:
    """``new`` with a split for each structure.

    A structure goes where its group already is; a split that it brings along is respected;
    isolated atoms always train. What is left is shared out in whole groups, by quota, so that
    structures of each origin, input and composition spread over the three sets.

    Parameters
    ----------
    known
        Structures whose split is settled.
    new
        Structures that enter now.
    fractions
        Target fraction of structures for ``training``, ``validation`` and ``test``.
    seed, iteration
        Decide which groups go where.
    """
    if not len(new):
        return new
    split = _inherited(known, new)
    split[is_isolated_atom(new)] = "training"
    open_ = split == "unassigned"
    if open_.any():
        counts = _counts(known, known.split) + _counts(new, split)
        shared = _share_out(new[open_], counts, fractions, seed, iteration)
        split[open_] = [shared[group] for group in new[open_].group.tolist()]
    return new.replace(split=split)


def _inherited(known: PESData, new: PESData) -> np.ndarray:
    """The split of each new structure whose group has one; that of settled groups comes first."""
    sampled = known[~is_isolated_atom(known)]
    settled = dict(zip(sampled.group.tolist(), sampled.split.tolist(), strict=True))
    brought = {
        group: split
        for group, split in zip(new.group.tolist(), new.split.tolist(), strict=True)
        if split in SPLITS
    }
    split = np.array(
        [
            settled.get(group) or (own if own in SPLITS else brought.get(group, "unassigned"))
            for group, own in zip(new.group.tolist(), new.split.tolist(), strict=True)
        ],
        dtype="<U10",
    )
    overruled = np.isin(new.split, SPLITS) & (split != new.split)
    if overruled.any():
        logger.warning(
            "%d structures came with another split than their group has; they follow their group",
            int(overruled.sum()),
        )
    return split


def _counts(pes: PESData, split: np.ndarray) -> np.ndarray:
    """Structures in each set; isolated atoms, which are no sample of anything, do not count."""
    counted = split[~is_isolated_atom(pes)]
    return np.array([(counted == name).sum() for name in SPLITS])


def _share_out(
    pes: PESData, counts: np.ndarray, fractions: Mapping[str, float], seed: int, iteration: int
) -> dict[str, str]:
    """Split of each group of ``pes``, all of which are open."""
    groups, first, sizes = np.unique(pes.group, return_index=True, return_counts=True)
    strata = _strata(pes)[first]
    random = generator(seed, "training", "split", iteration).random(len(groups))
    # One stratum after the other, the groups of each in random order: filling by quota along this
    # line spreads every stratum over the sets.
    line = np.lexsort((random, strata))
    target = np.array([fractions[name] for name in SPLITS])
    filled = counts.astype(float)
    place = np.empty(len(groups), dtype=np.int64)
    for g in line:
        deficit = target * (filled.sum() + sizes[g]) - filled
        place[g] = int(np.argmax(deficit))
        filled[place[g]] += sizes[g]
    place[line], filled = _repaired(place[line], sizes[line], filled, target)
    _report(filled, target, int(sizes.max()))
    return {group: SPLITS[p] for group, p in zip(groups.tolist(), place.tolist(), strict=True)}


def _strata(pes: PESData) -> np.ndarray:
    """Origin × input × composition of each structure, as one string."""
    compositions = []
    for start, stop in zip(pes.offsets[:-1], pes.offsets[1:], strict=True):
        numbers = sorted(pes.numbers[start:stop].tolist())
        counted = [(z, len(list(same))) for z, same in groupby(numbers)]
        compositions.append(" ".join(f"{z}:{n / len(numbers):.3f}" for z, n in counted))
    keys = zip(pes.origin.tolist(), pes.source.tolist(), compositions, strict=True)
    return np.array(["\x1f".join(key) for key in keys])


def _repaired(
    place: np.ndarray, sizes: np.ndarray, filled: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Swap pairs of groups, the best pair first, while something is amiss and that mends it.

    Groups are few kinds: what matters is their size and the set that they are in. A group of no
    structures in each set makes moving a group a swap, too.
    """
    place, tolerance = place.copy(), sizes.max() / 2
    faults = _faults(filled[None], target, tolerance)[:, 0]
    while faults[:3].any():
        with_empty = np.column_stack([np.append(place, [0, 1, 2]), np.append(sizes, [0, 0, 0])])
        kinds, example = np.unique(with_empty, axis=0, return_index=True)
        one, other = np.triu_indices(len(kinds), k=1)
        gain = kinds[other, 1] - kinds[one, 1]
        sets = np.eye(len(SPLITS))[kinds[:, 0]]
        candidates = filled + gain[:, None] * (sets[one] - sets[other])
        found = _faults(candidates, target, tolerance)
        best = np.lexsort(found[::-1])[0]
        if tuple(found[:, best]) >= tuple(faults):
            break
        for kind, goal in ((one[best], other[best]), (other[best], one[best])):
            if example[kind] < len(place):
                place[example[kind]] = kinds[goal, 0]
        filled, faults = candidates[best], found[:, best]
    return place, filled


def _faults(filled: np.ndarray, target: np.ndarray, tolerance: float) -> np.ndarray:
    """What is amiss with candidates (K, 3), gravest first, shape (4, K).

    No validation set; distance from the target beyond the tolerance; other sets that are empty; and
    any distance from the target, which alone is no reason to change anything.
    """
    empty = (filled == 0) & (target > 0)
    distance = np.abs(filled - target * filled.sum(axis=1, keepdims=True))
    beyond = np.clip(distance - tolerance, 0, None).sum(axis=1)
    squares = (distance**2).sum(axis=1)
    return np.round([empty[:, 1], beyond, empty.sum(axis=1), squares], 9)


def _report(filled: np.ndarray, target: np.ndarray, largest: int) -> None:
    deviation = np.abs(filled - target * filled.sum())
    counts = ", ".join(f"{int(n)} {name}" for name, n in zip(SPLITS, filled, strict=True))
    logger.info("Split: %s", counts)
    if (deviation > largest / 2 + 1e-9).any():
        logger.warning(
            "The split is further from its target than half the largest group (%d structures): %s",
            largest,
            counts,
        )
