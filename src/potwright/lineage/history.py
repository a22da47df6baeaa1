"""A structure's whole history: where it comes from, what it was labelled with, who learnt from it.

Every part is a dataclass of JSON values; :func:`trace` puts them together.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from potwright.campaign.labels import label_store, store_place
from potwright.lineage.finding import Finder, Sighting
from potwright.lineage.holdings import Holdings
from potwright.lineage.judging import Judgement, Use, judgement, uses
from potwright.quantum.stored_calculations import Calculation, calculations_of

OF_SELECTION = ("disagreement", "reason", "audit", "selection")
OF_DYNAMICS = (
    *("trajectory", "temperature_kelvin", "pressure_kbar", "time_fs", "ensemble", "engine"),
    *("driver", "seed", "end_reason", "watch", "sane", "unphysical"),
)
OF_CALCULATION = ("arrays", "results", "constraints")
NO_STEP = {*OF_SELECTION, *OF_DYNAMICS, *OF_CALCULATION, "input_id"}


@dataclass(frozen=True)
class Generation:
    """A structure or one of its ancestors.

    Attributes
    ----------
    id, formula, n_atoms, periodic, origin, source
        As in :class:`~potwright.pes.PESData`; ``periodic`` is like TTF. Without a formula it is an
        ancestor of which no dataset holds the coordinates.
    made_by
        What was done to its parent: parameters of the augmentation by name.
    held_in
        Datasets that hold it, with their iterations.
    """

    id: str
    formula: str
    n_atoms: int
    periodic: str
    origin: str
    source: str
    made_by: dict[str, Any]
    held_in: list[str]


@dataclass(frozen=True)
class Dynamics:
    """The trajectory that a frame is of.

    Attributes
    ----------
    iteration, frame
        Which iteration explored it, and what the frame says: targets at its time, time, engine,
        ensemble, driver, seed, why it was kept out of turn, whether it is sane.
    trajectory
        Its row of the ``exploration_report``: start, targets, length, how it ended.
    """

    iteration: int
    frame: dict[str, Any]
    trajectory: dict[str, Any]


@dataclass(frozen=True)
class Candidacy:
    """What the labelling of an iteration did with the structure: its row of the report."""

    iteration: int
    status: str
    reason: str
    message: str


@dataclass(frozen=True)
class Label:
    """The label that the campaign uses; ``shared_from`` names a campaign that bought it."""

    energy_ev: float
    level_of_theory: str
    iteration: int
    shared_from: str


@dataclass(frozen=True)
class Membership:
    """The side of the split, and what shares it."""

    split: str
    settled_in_iteration: int
    group: str
    group_size: int


@dataclass(frozen=True)
class History:
    """All of it; a part that does not apply is None or empty."""

    campaign: str
    id: str
    ancestry: list[Generation]
    dynamics: Dynamics | None
    judgement: Judgement | None
    candidacies: list[Candidacy]
    calculations: list[Calculation]
    label: Label | None
    membership: Membership | None
    uses: list[Use]
    made_from_it: list[tuple[str, int, int]]

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)


def trace(holdings: Holdings, beginning: str) -> History:
    """The history of the structure whose id begins so.

    Raises
    ------
    InputError
        If no id begins so, or several do.
    """
    finder = Finder(holdings)
    id = finder.id_of(beginning)
    seen = finder.sightings(id)
    calculations = _calculations(holdings, id)
    labelled = next((s for s in seen if s.dataset == "labelled_structures"), None)
    judgements = [judgement(holdings, iteration, id) for iteration in holdings.iterations]
    return History(
        campaign=holdings.campaign.name,
        id=id,
        ancestry=_ancestry(finder, id),
        dynamics=_dynamics(holdings, seen),
        judgement=next(filter(None, judgements), None),
        candidacies=_candidacies(holdings, id),
        calculations=calculations,
        label=_label(holdings, labelled, calculations),
        membership=_membership(finder, labelled),
        uses=uses(holdings, id, labelled.structure if labelled else None),
        made_from_it=finder.children(id),
    )


def _ancestry(finder: Finder, id: str) -> list[Generation]:
    """The structure itself first, its ancestors after it, up to an input."""
    line: list[Generation] = []
    known: set[str] = set()
    while id and id not in known:
        known.add(id)
        seen = finder.sightings(id)
        if not seen:
            line.append(Generation(id, "", 0, "", "", "", {}, []))
            break
        parent = next((s.column("parent") for s in seen if s.column("parent")), "")
        line.append(_generation(seen[0], finder.sightings(parent), seen))
        id = parent
    return line


def _generation(own: Sighting, parents: list[Sighting], seen: list[Sighting]) -> Generation:
    (atoms,) = own.structure.to_atoms()
    before = parents[0].info if parents else {}
    made_by = {
        key: value
        for key, value in own.info.items()
        if key not in NO_STEP and (key not in before or before[key] != value)
    }
    held = [f"{s.dataset} of iteration {s.iteration}" if s.iteration else s.dataset for s in seen]
    return Generation(
        id=own.column("id"),
        formula=atoms.get_chemical_formula(),
        n_atoms=len(atoms),
        periodic="".join("FT"[int(axis)] for axis in atoms.pbc),
        origin=own.column("origin"),
        source=own.column("source"),
        made_by=made_by,
        held_in=list(dict.fromkeys(held)),
    )


def _dynamics(holdings: Holdings, seen: list[Sighting]) -> Dynamics | None:
    explored = [s for s in seen if s.dataset == "explored_structures"]
    if not explored:
        return None
    first = explored[-1]  # the newest comes first
    frame = {key: first.info[key] for key in OF_DYNAMICS if key in first.info}
    (iteration,) = (i for i in holdings.iterations if i.number == first.iteration)
    report = holdings.table("exploration_report", iteration)
    rows = report[report["trajectory"] == frame.get("trajectory")] if len(report) else report
    return Dynamics(first.iteration, frame, _plain(rows.iloc[0]) if len(rows) else {})


def _candidacies(holdings: Holdings, id: str) -> list[Candidacy]:
    found = []
    for iteration in holdings.iterations:
        report = holdings.table("labelling_report", iteration)
        if report.empty:
            continue
        for row in report[report["id"] == id].fillna("").to_dict("records"):
            what = (str(row[key]) for key in ("status", "reason", "message"))
            found.append(Candidacy(iteration.number, *what))
    return found


def _calculations(holdings: Holdings, id: str) -> list[Calculation]:
    place = store_place(holdings.campaign)
    if "://" not in place and not (holdings.campaign.project / place).exists():
        return []
    with label_store(holdings.campaign) as store:
        return calculations_of(store, id)


def _label(
    holdings: Holdings, labelled: Sighting | None, calculations: list[Calculation]
) -> Label | None:
    if labelled is None or not labelled.structure.has_labels[0]:
        return None
    level, name = labelled.column("level_of_theory"), holdings.campaign.name
    used = next((c for c in calculations if c.level == level and c.energy_ev is not None), None)
    shared = used.campaign if used is not None and used.campaign != name else ""
    energy = float(labelled.structure.energy[0])
    return Label(energy, level, int(labelled.structure.iteration[0]), shared)


def _membership(finder: Finder, labelled: Sighting | None) -> Membership | None:
    if labelled is None:
        return None
    group = labelled.column("group")
    return Membership(
        split=labelled.column("split"),
        settled_in_iteration=int(labelled.structure.iteration[0]),
        group=group,
        group_size=finder.members_of(group),
    )


def _plain(row: pd.Series) -> dict[str, Any]:
    """NumPy's scalars as JSON has them; None for what is not a number."""
    values = {str(k): v.item() if hasattr(v, "item") else v for k, v in row.items()}
    return {k: None if pd.isna(v) else v for k, v in values.items()}
