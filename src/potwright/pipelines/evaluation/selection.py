"""From explored frames to those that are labelled next."""

from __future__ import annotations

import logging
from typing import Any, Protocol

import numpy as np
import pandas as pd

from potwright.execution import ExecutorParameters
from potwright.pes import PESData
from potwright.pipelines.evaluation.environments import Environments
from potwright.pipelines.evaluation.parameters import AuditParameters, EvaluationParameters
from potwright.pipelines.evaluation.rules import RULES, Chosen, Pool
from potwright.randomness import generator
from potwright.uncertainty import PROPERTIES, Predictions, force_uncertainty
from potwright.uncertainty.measurement import UNITS, column, measure, number

logger = logging.getLogger(__name__)


class Describing(Protocol):
    """What rules on descriptors ask of a committee."""

    def descriptors(
        self, pes: PESData, executor: ExecutorParameters | None = None, device: str = "auto"
    ) -> np.ndarray:
        """Invariant descriptors of all atoms, shape (N, F)."""
        ...


def judge(
    predictions: Predictions,
    explored: PESData,
    labelled: PESData,
    calibration: dict[str, Any],
    parameters: EvaluationParameters,
) -> pd.DataFrame:
    """What calibration and thresholds say of each explored frame.

    Returns
    -------
    DataFrame
        One row per frame, in order: id, the disagreements, and

        - sane: finite predictions, and not marked ``sane: false`` by the exploration;
        - candidate: sane, not labelled yet, the first of identical frames;
        - excess: the largest D/τ, NaN if nothing is calibrated;
        - uncertain: a candidate with some D > τ, or above a ceiling;
        - above_ceiling: a candidate with some D above its ceiling;
        - reasons: names of the properties with D > τ, joined by commas.
    """
    measured = measure(predictions, explored)
    marked = np.array([info.get("sane", True) is not False for info in explored.info], dtype=bool)
    sane = measured["predicted"].to_numpy(dtype=bool) & marked
    candidate = (
        sane & (labelled.index_of(explored.id) < 0) & ~measured.duplicated("id").to_numpy(bool)
    )
    ceilings = parameters.selection.ceiling.by_property()
    excess = np.full((len(explored), len(PROPERTIES)), np.nan)
    above_ceiling = np.zeros(len(explored), dtype=bool)
    for i, name in enumerate(PROPERTIES):
        disagreement = measured[column("disagreement", name)].to_numpy(dtype=float)
        tau = calibration["properties"][name]["tau"]
        if tau is not None:
            excess[:, i] = disagreement / tau
        if (ceiling := ceilings[name]) is not None:
            above_ceiling |= disagreement > ceiling
    above = excess > 1
    table = measured[["id", *(column("disagreement", name) for name in PROPERTIES)]].copy()
    table["sane"] = sane
    table["candidate"] = candidate
    table["excess"] = np.fmax.reduce(excess, axis=1)
    table["above_ceiling"] = candidate & above_ceiling
    table["uncertain"] = candidate & (above.any(axis=1) | above_ceiling)
    table["reasons"] = [
        ", ".join(name for name, over in zip(PROPERTIES, row, strict=True) if over) for row in above
    ]
    return table


def select(
    explored: PESData,
    judged: pd.DataFrame,
    labelled: PESData,
    calibration: dict[str, Any],
    *,
    committee: Describing,
    predictions: Predictions,
    parameters: EvaluationParameters,
    label_budget: int | None,
    seed: int,
) -> PESData:
    """The audit sample, then uncertain frames by the rule, within what may still be labelled.

    Parameters
    ----------
    explored, judged
        The frames, and what :func:`judge` says of them.
    labelled
        What the budget has been spent on.
    calibration
        Its report; where no property is calibrated, frames are drawn at random.
    committee, predictions
        For rules that look at descriptors, or at the disagreement on each atom.
    parameters, label_budget, seed
        As configured.

    Returns
    -------
    PESData
        In info each frame keeps ``disagreement`` per property, ``reason``, ``audit``, and in
        ``selection`` the rule and what it says of the frame (a distance, for instance).
        Group and parent are those that the exploration gave.
    """
    iteration = int(calibration["iteration"])
    # independent of the order in which trajectories came back
    order = np.argsort(explored.id, kind="stable")
    explored, judged = explored[order], judged.iloc[order].reset_index(drop=True)
    candidate = judged["candidate"].to_numpy(dtype=bool)
    left = remaining_budget(labelled, label_budget)
    audit = _draw_audit(candidate, parameters.audit, left, seed, iteration)
    calibrated = is_calibrated(calibration)
    rule = parameters.selection.type if calibrated else "random"
    pool = _pool(explored, judged, audit, calibrated, parameters)
    places = np.arange(len(explored))
    if RULES[rule].wants_descriptors:
        places = np.flatnonzero(pool.uncertain)
        known = PESData.concatenate([labelled[labelled.split == "training"], explored[audit]])
        pool = _described(
            pool,
            places,
            known,
            committee=committee,
            predictions=predictions,
            parameters=parameters,
        )
    count = min(parameters.selection.max_selected, left - len(audit))
    draw = generator(seed, "evaluation", "selection", iteration)
    chosen = RULES[rule].take(pool, count, draw)
    chosen = Chosen(places[chosen.frames], chosen.notes)
    _report(chosen, rule, judged, audit, calibrated)
    taken = np.concatenate([audit, chosen.frames]).astype(np.int64)
    reasons = ["audit"] * len(audit) + [
        _reason(judged["reasons"].iloc[i], rule, calibrated) for i in chosen.frames
    ]
    notes: list[dict[str, Any]] = [{}] * len(audit)
    notes += [{"rule": rule} | chosen.note(i) for i in range(len(chosen.frames))]
    return _annotated(explored[taken], judged.iloc[taken], reasons, notes)


def _pool(
    explored: PESData,
    judged: pd.DataFrame,
    audit: np.ndarray,
    calibrated: bool,
    parameters: EvaluationParameters,
) -> Pool:
    """What any rule may choose from: the audit sample and what is above a ceiling are not."""
    in_audit = np.zeros(len(explored), dtype=bool)
    in_audit[audit] = True
    available = judged["candidate"].to_numpy(dtype=bool) & ~in_audit
    available &= ~judged["above_ceiling"].to_numpy(dtype=bool)
    uncertain = available & judged["uncertain"].to_numpy(dtype=bool) if calibrated else available
    excess = judged["excess"].to_numpy(dtype=float)
    return Pool(explored, uncertain, available, excess, settings=parameters.selection)


def _described(
    pool: Pool,
    places: np.ndarray,
    known: PESData,
    *,
    committee: Describing,
    predictions: Predictions,
    parameters: EvaluationParameters,
) -> Pool:
    """The pool of the frames at ``places`` alone, with descriptors of these and of what is known.

    What the audit draws will be labelled in any case, and counts as known with the training set.
    """
    frames = pool.frames[places]
    described = committee.descriptors(
        PESData.concatenate([frames, known]), parameters.executor, parameters.device
    )
    atoms = int(frames.offsets[-1])
    predicted = predictions.select(frames.id)
    unlabelled = np.full((atoms, 3), np.nan)
    disagreement = force_uncertainty(predicted.forces, unlabelled, frames.offsets)
    return Pool(
        frames,
        pool.uncertain[places],
        pool.available[places],
        pool.excess[places],
        disagreement.disagreement_per_atom,
        Environments(described[:atoms], frames.offsets, described[atoms:], known.offsets),
        pool.settings,
    )


def _report(
    chosen: Chosen, rule: str, judged: pd.DataFrame, audit: np.ndarray, calibrated: bool
) -> None:
    candidate = judged["candidate"].to_numpy(dtype=bool)
    above_ceiling = judged["above_ceiling"].to_numpy(dtype=bool)
    available = int((candidate & ~above_ceiling).sum()) - len(audit)
    logger.info(
        "Selected %d of %d %s frames (rule %s) and an audit sample of %d; "
        "%d frames are above a ceiling, %d explored frames are not candidates",
        len(chosen.frames),
        int(judged["uncertain"].sum()) if calibrated else available,
        "uncertain" if calibrated else "sane",
        rule,
        len(audit),
        int(above_ceiling.sum()),
        int((~candidate).sum()),
    )


def remaining_budget(labelled: PESData, label_budget: int | None) -> int:
    """How many structures may still be labelled; a very large number without a budget."""
    if label_budget is None:
        return np.iinfo(np.int64).max
    bought = labelled.has_labels & (labelled.iteration > 0)  # others came with their labels
    return max(label_budget - int(bought.sum()), 0)


def is_calibrated(calibration: dict[str, Any]) -> bool:
    """Whether any property has a threshold on disagreement."""
    return any(entry["tau"] is not None for entry in calibration["properties"].values())


def _draw_audit(
    candidate: np.ndarray, parameters: AuditParameters, left: int, seed: int, iteration: int
) -> np.ndarray:
    """Indices of the audit sample: uniform over candidates, whatever their disagreement."""
    frames = np.flatnonzero(candidate)
    wanted = max(round(parameters.fraction * len(frames)), parameters.minimum)
    draw = generator(seed, "evaluation", "audit", iteration)
    return draw.choice(frames, size=min(wanted, len(frames), left), replace=False)


def _reason(properties: str, rule: str, calibrated: bool) -> str:
    if not calibrated:
        return "random (uncalibrated)"
    if rule == "random_control":
        return "random (control)"
    return f"uncertain: {properties}"


def _annotated(
    frames: PESData, judged: pd.DataFrame, reasons: list[str], notes: list[dict[str, Any]]
) -> PESData:
    info = []
    for i, (reason, note) in enumerate(zip(reasons, notes, strict=True)):
        disagreement = {
            f"{name}_{UNITS[name]}": number(judged[column("disagreement", name)].iloc[i])
            for name in PROPERTIES
        }
        known = {"disagreement": disagreement, "reason": reason, "audit": reason == "audit"}
        info.append(dict(frames.info[i]) | known | ({"selection": note} if note else {}))
    return frames.replace(info=info)
