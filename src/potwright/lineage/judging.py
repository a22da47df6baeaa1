"""What committees thought of a structure, and why it was selected or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from potwright.errors import InputError
from potwright.lineage.holdings import Holdings
from potwright.pipelines.evaluation.parameters import EvaluationParameters
from potwright.pipelines.evaluation.selection import is_calibrated, judge
from potwright.uncertainty.measurement import UNITS, column, measure, number

if TYPE_CHECKING:
    from potwright.campaign import Iteration
    from potwright.pes import PESData


@dataclass(frozen=True)
class Judgement:
    """What the evaluation of an iteration made of a frame that it explored.

    Attributes
    ----------
    iteration
        Its number.
    disagreement, threshold
        By property, in meV/atom, meV/Å, meV/Å³; None where there is none.
    selected
        Whether it is labelled next.
    audit
        Whether it was drawn regardless of its disagreement.
    reason
        Why it was selected, or why not.
    rule
        What the selection rule says of it.
    """

    iteration: int
    disagreement: dict[str, float | None]
    threshold: dict[str, float | None]
    selected: bool
    audit: bool
    reason: str
    rule: dict[str, Any]


@dataclass(frozen=True)
class Use:
    """What an iteration's committee has to do with a structure.

    Attributes
    ----------
    iteration
        Its number.
    role
        What it was to the committee: training, validation, test, reference energy, or not known.
    members
        Members that trained on it.
    disagreement, error
        The committee's spread, and the error of its mean, by property, in meV/atom, meV/Å,
        meV/Å³; None where there is none.
    committee
        Folder of the model files, below the project.
    """

    iteration: int
    role: str
    members: list[int]
    disagreement: dict[str, float | None]
    error: dict[str, float | None]
    committee: str


def judgement(holdings: Holdings, iteration: Iteration, id: str) -> Judgement | None:
    """Why a frame was selected or not; None if the iteration has not explored or judged it."""
    explored = holdings.structures("explored_structures", iteration)
    predictions = holdings.predictions(iteration)
    calibration = holdings.document("calibration", iteration)
    (row,) = explored.index_of([id])
    if row < 0 or predictions is None or not calibration:
        return None
    frame = explored[int(row) : int(row) + 1]
    try:
        parameters = EvaluationParameters.model_validate(
            iteration.record.get("parameters", {}).get("evaluation", {})
        )
    except InputError:  # of a version that had other parameters
        parameters = EvaluationParameters()
    labelled = holdings.structures("labelled_structures", iteration)
    judged = judge(predictions, frame, labelled, calibration, parameters).iloc[0]
    selected = holdings.structures("selected_structures", iteration)
    (place,) = selected.index_of([id])
    info = dict(selected.info[place]) if place >= 0 else {}
    reason = info.get("reason") or _why_not(
        judged,
        dict(frame.info[0]),
        calibration,
        parameters,
        holdings.document("verdict", iteration),
    )
    return Judgement(
        iteration.number,
        _values(judged, "disagreement"),
        {name: calibration["properties"][name]["tau"] for name in UNITS},
        selected=bool(place >= 0),
        audit=bool(info.get("audit", False)),
        reason=str(reason),
        rule=dict(info.get("selection", {})),
    )


def uses(holdings: Holdings, id: str, labelled: PESData | None) -> list[Use]:
    """What each iteration's committee has to do with a structure.

    Parameters
    ----------
    holdings
        The campaign's.
    id
        Of the structure.
    labelled
        The structure alone with its label, with which predictions are compared; None without.
    """
    found = []
    for iteration in holdings.iterations:
        record = holdings.committee(iteration)
        if not record:
            continue
        place = holdings.place("committee", iteration.version)
        measured = _measured(holdings, iteration, id, labelled)
        members = [
            int(member["member"])
            for member in record.get("training", [])
            if id in member.get("trained_on", ())
        ]
        found.append(
            Use(
                iteration.number,
                _role(holdings, iteration, id, members, record),
                members,
                _values(measured, "disagreement"),
                _values(measured, "mean_error"),
                str(place.relative_to(holdings.campaign.project)),
            )
        )
    return found


def _role(
    holdings: Holdings, iteration: Iteration, id: str, members: list[int], record: dict[str, Any]
) -> str:
    pes = holdings.structures("labelled_structures", iteration)
    (row,) = pes.index_of([id])
    if row < 0:
        return "not known"
    split = str(pes.split[row])
    if not record.get("training"):
        return f"{split}, of potentials that the campaign did not train"
    if split == "training" and not members:
        alone = pes.origin[row] == "isolated_atom"
        if alone and record.get("reference_energies_source", "").startswith("isolated atoms"):
            return "reference energy"
        return "training set, drawn by no member"
    return split


def _measured(
    holdings: Holdings, iteration: Iteration, id: str, labelled: PESData | None
) -> pd.Series | None:
    predictions = holdings.predictions(iteration)
    if predictions is None or predictions.index_of([id])[0] < 0:
        return None
    structure = labelled
    if structure is None:
        explored = holdings.structures("explored_structures", iteration)
        (row,) = explored.index_of([id])
        if row < 0:
            return None
        structure = explored[int(row) : int(row) + 1]
    return measure(predictions, structure).iloc[0]


def _values(row: pd.Series | None, kind: str) -> dict[str, float | None]:
    if row is None:
        return dict.fromkeys(UNITS)
    return {name: number(float(row[column(kind, name)])) for name in UNITS}


def _why_not(
    judged: pd.Series,
    info: dict[str, Any],
    calibration: dict[str, Any],
    parameters: EvaluationParameters,
    verdict: dict[str, Any],
) -> str:
    """Why a frame was not selected, in words."""
    rule = parameters.selection
    taken = verdict.get("selected", 0) - verdict.get("audit", 0)
    if not judged["sane"]:
        why = info.get("unphysical") or "a prediction is not finite"
        return f"not selected: not sane ({why})"
    if not judged["candidate"]:
        return "not selected: it was labelled already"
    if judged["above_ceiling"]:
        return "not selected: its disagreement is above a ceiling"
    if not is_calibrated(calibration):
        return f"not selected: nothing was calibrated, and {taken} sane frames were drawn at random"
    if not judged["uncertain"]:
        return "not selected: every disagreement is within its threshold"
    above = judged["reasons"]
    return (
        f"not selected: uncertain ({above}), but the rule {rule.type} took {taken} of "
        f"{verdict.get('uncertain', '?')} uncertain frames (at most {rule.max_selected})"
    )
