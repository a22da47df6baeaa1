"""Training, validation, test: assigned once, group by group, and never changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import groupby

import numpy as np

from potwright.pes import PESData
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
    split = new.split.astype("<U10")
    settled = dict(zip(known.group.tolist(), known.split.tolist(), strict=True))
    settled |= {
        g: s for g, s in zip(new.group.tolist(), split.tolist(), strict=True) if s in SPLITS
    }
    inherited = np.array([settled.get(g, "unassigned") for g in new.group.tolist()])
    split = np.where(split == "unassigned", inherited, split)
    split[new.origin == "isolated_atom"] = "training"
    open_ = split == "unassigned"
    if open_.any():
        counts = _counts(known) + np.array([(split == name).sum() for name in SPLITS])
        shared = _share_out(new[open_], counts, fractions, seed, iteration)
        split[open_] = [shared[group] for group in new[open_].group.tolist()]
    return new.replace(split=split)


def _counts(pes: PESData) -> np.ndarray:
    """Structures in each set; isolated atoms, which are no sample of anything, do not count."""
    counted = pes.split[pes.origin != "isolated_atom"]
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
    _fill_empty(place, sizes, filled, target, line)
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


def _fill_empty(
    place: np.ndarray, sizes: np.ndarray, filled: np.ndarray, target: np.ndarray, line: np.ndarray
) -> None:
    """Give the smallest training group to a set that should not be empty, where one is spare."""
    for empty in (1, 2):
        training = [g for g in line if place[g] == 0]
        if filled[empty] == 0 and target[empty] > 0 and len(training) > 1:
            smallest = min(training, key=lambda g: int(sizes[g]))
            place[smallest] = empty
            filled[empty] += sizes[smallest]
            filled[0] -= sizes[smallest]


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
