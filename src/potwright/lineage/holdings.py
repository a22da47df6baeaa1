"""What a campaign holds on disk, iteration by iteration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from potwright.errors import InputError
from potwright.pes import PESData

if TYPE_CHECKING:
    from potwright.campaign import Campaign, Iteration
    from potwright.uncertainty import Predictions

OF_STRUCTURES = (
    "labelled_structures",
    "labels",
    "selected_structures",
    "explored_structures",
    "augmented_structures",
)
"""Datasets of structures, those that know most of a structure first."""


@dataclass(frozen=True)
class Holdings:
    """The datasets of a campaign's iterations; what is not there yet is empty.

    Attributes
    ----------
    campaign
        Whose.
    iterations
        All that were begun, in order.
    """

    campaign: Campaign
    iterations: tuple[Iteration, ...]

    @classmethod
    def of(cls, campaign: Campaign) -> Holdings:
        """Look at a campaign.

        Raises
        ------
        InputError
            If it has not begun.
        """
        iterations = tuple(campaign.iterations())
        if not iterations:
            raise InputError(
                f"campaign {campaign.name!r} has not begun: there is nothing to look at. Is --env "
                "the one that it was run with?"
            )
        return cls(campaign, iterations)

    def place(self, name: str, version: str) -> Path:
        """Where a version of a dataset lies, or would lie."""
        place = self.campaign.project / self.campaign.catalog[name]["filepath"]
        return place / version / place.name

    def structures(self, name: str, iteration: Iteration) -> PESData:
        """A dataset of structures, opened."""
        place = self.place(name, iteration.version)
        return PESData.read(place) if place.exists() else PESData.empty()

    def predictions(self, iteration: Iteration) -> Predictions | None:
        """What an iteration's committee predicts, opened; None if it has not yet."""
        from potwright.uncertainty import Predictions

        place = self.place("predictions", iteration.version)
        return Predictions.read(place) if place.exists() else None

    def table(self, name: str, iteration: Iteration) -> pd.DataFrame:
        """A report."""
        place = self.place(name, iteration.version)
        return pd.read_csv(place) if place.is_file() else pd.DataFrame()

    def document(self, name: str, iteration: Iteration) -> dict[str, Any]:
        """A JSON report."""
        place = self.place(name, iteration.version)
        return json.loads(place.read_text()) if place.is_file() else {}

    def committee(self, iteration: Iteration) -> dict[str, Any]:
        """The record of an iteration's committee."""
        place = self.place("committee", iteration.version) / "committee.json"
        return json.loads(place.read_text()) if place.is_file() else {}

    def datasets(self) -> Iterator[tuple[str, Iteration, PESData]]:
        """All datasets of structures that are there, the newest of each kind first."""
        for name in OF_STRUCTURES:
            for iteration in reversed(self.iterations):
                structures = self.structures(name, iteration)
                if len(structures):
                    yield name, iteration, structures
