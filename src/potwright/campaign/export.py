"""What a campaign hands to others: the committee of an iteration, and all that it comes from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from potwright.campaign.labels import label_store, store_place
from potwright.errors import InputError
from potwright.files import complete_or_absent
from potwright.pes import PESData

if TYPE_CHECKING:
    from potwright.campaign import Campaign, Iteration
    from potwright.lineage.packing import Packed
    from potwright.potentials.card import Provenance


@dataclass(frozen=True)
class Exported:
    """What was written: whose committee, and what was packed with it, if anything."""

    iteration: Iteration
    packed: Packed | None


def export_iteration(
    campaign: Campaign, folder: Path, number: int | None = None, *, potential_only: bool = False
) -> Exported:
    """Export the committee of an iteration and all data that led to it.

    Parameters
    ----------
    campaign
        Whose.
    folder
        Where to; it appears completely or not at all.
    number
        The iteration; by default the last completed one.
    potential_only
        Whether data, labels, records and provenance are left out.

    Raises
    ------
    InputError
        If there is no such iteration, or it has no committee; or if the folder is there already.
    """
    from potwright.lineage.holdings import Holdings
    from potwright.lineage.packing import pack
    from potwright.potentials import load_committee
    from potwright.potentials.export import export_committee

    iteration = _iteration(campaign, number)
    place = _place(campaign, "committee", iteration)
    if not place.exists():
        raise InputError(
            f"iteration {iteration.number} of campaign {campaign.name!r} has no committee yet"
        )
    if folder.exists():
        raise InputError(f"{folder} is there already; name a folder that is not")
    calibration = campaign.document("calibration.json", iteration.version)
    committee = dataclasses.replace(load_committee(place), calibration=calibration or None)
    with complete_or_absent(folder) as temporary:
        export_committee(committee, temporary, _provenance(campaign, iteration))
        if potential_only:
            return Exported(iteration, None)
        past = tuple(i for i in campaign.iterations() if i.number <= iteration.number)
        return Exported(iteration, pack(Holdings(campaign, past), temporary))


def _iteration(campaign: Campaign, number: int | None) -> Iteration:
    iterations = {iteration.number: iteration for iteration in campaign.iterations()}
    completed = [n for n, iteration in iterations.items() if iteration.status == "completed"]
    chosen = number if number is not None else max(completed, default=None)
    if chosen not in iterations:
        known = ", ".join(map(str, iterations)) or "none"
        wanted = "that is completed" if number is None else str(number)
        raise InputError(
            f"campaign {campaign.name!r} has no iteration {wanted}; it has begun: {known}"
        )
    return iterations[chosen]


def _provenance(campaign: Campaign, iteration: Iteration) -> Provenance:
    from potwright.potentials.card import Provenance

    metrics = _place(campaign, "metrics", iteration)
    labelled = PESData.read(_place(campaign, "labelled_structures", iteration))
    return Provenance(
        campaign=campaign.name,
        iteration=iteration.number,
        version=iteration.version,
        date=datetime.now(UTC).date().isoformat(),
        level_of_theory=_level(campaign, labelled),
        data=_counts(labelled),
        metrics=pd.read_csv(metrics) if metrics.is_file() else pd.DataFrame(),
        verdict=campaign.verdict(iteration).get("message", ""),
    )


def _counts(labelled: PESData) -> pd.DataFrame:
    rows = []
    for split in ("training", "validation", "test"):
        chosen = labelled[labelled.split == split]
        rows.append(
            {
                "set": split,
                "structures": len(chosen),
                "atoms": int(chosen.n_atoms.sum()),
                "independent groups": len(np.unique(chosen.group)),
                "origins": ", ".join(np.unique(chosen.origin).tolist()),
            }
        )
    return pd.DataFrame(rows)


def _level(campaign: Campaign, labelled: PESData) -> str:
    """The level of theory in words, from the label store; its hash where that does not know it."""
    from potwright.quantum import inventory

    hashes = [level for level in np.unique(labelled.level_of_theory).tolist() if level]
    place = store_place(campaign)
    known = {}
    if "://" in place or (campaign.project / place).exists():
        with label_store(campaign) as store:
            known = inventory.levels(store)
    return "; ".join(f"{known[h]}, hash {h}" if h in known else f"hash {h}" for h in hashes)


def _place(campaign: Campaign, name: str, iteration: Iteration) -> Path:
    """Where the version of a dataset lies that an iteration made."""
    place = campaign.project / campaign.catalog[name]["filepath"]
    return place / iteration.version / place.name
