"""Which structure is meant, and where it is held."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from potwright.errors import InputError
from potwright.lineage.holdings import Holdings
from potwright.pes import PESData

logger = logging.getLogger(__name__)

SHOWN = 8
INPUTS, WITH_VACUUM = "initial_structures", "initial_structures with their vacuum"


@dataclass(frozen=True)
class Sighting:
    """One structure in one dataset.

    Attributes
    ----------
    dataset
        Name of the dataset.
    iteration
        Of which iteration; 0: an input.
    structure
        The structure alone.
    """

    dataset: str
    iteration: int
    structure: PESData

    @property
    def info(self) -> dict[str, Any]:
        """What the dataset says of it beyond the columns."""
        return dict(self.structure.info[0])

    def column(self, name: str) -> str:
        """A text column, such as ``origin``."""
        return str(getattr(self.structure, name)[0])


@dataclass(frozen=True)
class Finder:
    """Finds structures in all that a campaign holds, its inputs included."""

    holdings: Holdings

    @cached_property
    def _datasets(self) -> list[tuple[str, int, PESData]]:
        held = [(name, one.number, pes) for name, one, pes in self.holdings.datasets()]
        return held + [(name, 0, pes) for name, pes in _inputs(self.holdings) if len(pes)]

    def id_of(self, beginning: str) -> str:
        """The one id that begins so.

        Raises
        ------
        InputError
            If there is none, or there are several.
        """
        wanted = beginning.strip().lower()
        ids = np.unique(np.concatenate([pes.id for _, _, pes in self._datasets] or [np.empty(0)]))
        found = [str(id) for id in ids if str(id).startswith(wanted)] if wanted else []
        if not found:
            raise InputError(
                f"no structure of campaign {self.holdings.campaign.name!r} has an id that begins "
                f"with {beginning!r}; labelling_report.csv, exploration_report.csv and the column "
                "`id` of every dataset have them"
            )
        if len(found) > 1:
            some = ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
            raise InputError(
                f"{len(found)} structures have an id that begins with {beginning!r}: {some}; give "
                "more digits"
            )
        return found[0]

    def sightings(self, id: str) -> list[Sighting]:
        """All datasets that hold a structure, those that know most of it first."""
        found = []
        for name, iteration, pes in self._datasets:
            for row in np.flatnonzero(pes.id == id)[:1]:
                found.append(Sighting(name, iteration, pes[int(row) : int(row) + 1]))
        return found

    def children(self, id: str) -> list[tuple[str, int, int]]:
        """Origin, iteration and number of the structures that were made from one."""
        counts: dict[tuple[str, int], set[str]] = {}
        for name, iteration, pes in self._datasets:
            if name not in ("augmented_structures", "explored_structures"):
                continue
            for i in np.flatnonzero(pes.parent == id):
                counts.setdefault((str(pes.origin[i]), iteration), set()).add(str(pes.id[i]))
        return [(origin, n, len(ids)) for (origin, n), ids in sorted(counts.items())]

    def members_of(self, group: str) -> int:
        """How many labelled structures a group has."""
        for name, _, pes in self._datasets:
            if name == "labelled_structures":  # the newest comes first
                return int((pes.group == group).sum())
        return 0


def _inputs(holdings: Holdings) -> Sequence[tuple[str, PESData]]:
    """The input files as they are now, and with the vacuum that augmentation gave them."""
    from kedro.io import AbstractDataset, DatasetError

    from potwright.pipelines.augmentation.parameters import VacuumParameters
    from potwright.pipelines.augmentation.vacuum import add_vacuum

    campaign = holdings.campaign
    entry = {**campaign.catalog[INPUTS]}
    entry["filepath"] = str(campaign.project / entry["filepath"])
    given = holdings.iterations[0].record.get("parameters", {}).get("augmentation", {})
    try:
        initial = AbstractDataset.from_config(INPUTS, entry).load()
        parameters = VacuumParameters.model_validate(given.get("vacuum", {}))
        padded = add_vacuum(initial, parameters) if parameters.enabled else initial
    except (DatasetError, ValueError) as error:  # InputError and pydantic's are of the latter
        logger.warning("the input files cannot be looked at: %s", error)
        return []
    return [(INPUTS, initial), (WITH_VACUUM, padded)]
