"""Whether the campaign goes on, has converged, has nothing to label, or is stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.evaluation.parameters import EvaluationParameters
from potwright.pipelines.evaluation.selection import is_calibrated, remaining_budget
from potwright.uncertainty import PROPERTIES
from potwright.uncertainty.measurement import audited, column

CONTINUE = "continue"
CONVERGED = "converged"
NOTHING_TO_LABEL = "nothing to label, not verified"
STOPPED = "stopped"


def decide(
    judged: pd.DataFrame,
    selected: PESData,
    labelled: PESData,
    calibration: dict[str, Any],
    *,
    previous: dict[str, Any],
    parameters: EvaluationParameters,
    campaign: CampaignParameters,
) -> dict[str, Any]:
    """The verdict of this iteration, the numbers behind it, and one sentence.

    A campaign has *converged* when the uncertain fraction of the sane frames has been below its
    limit for the wanted number of iterations, the calibration of every property that the frames
    have is trusted, and the error of a member on the audit sample (root mean square over its
    structures) is at most ε_thr. Frames above a ceiling count as uncertain. Without that evidence
    an empty selection is *nothing to label, not verified*.

    Parameters
    ----------
    judged, selected
        Explored frames as judged, and what was selected of them.
    labelled
        All labelled structures, which the label budget counts.
    calibration, previous
        This iteration's calibration, and the previous verdict (empty if there is none).
    parameters, campaign
        As configured.
    """
    iteration = int(calibration["iteration"])
    candidates, uncertain = int(judged["candidate"].sum()), int(judged["uncertain"].sum())
    known = candidates > 0 and is_calibrated(calibration)
    fraction = uncertain / candidates if known else None
    settled = fraction is not None and fraction < parameters.convergence.uncertain_fraction
    streak = int(previous.get("streak", 0)) + 1 if settled else 0
    missing = _missing_evidence(judged, calibration)
    if streak < parameters.convergence.iterations:
        missing.insert(0, _not_settled(fraction, streak, parameters))
    numbers = {
        "iteration": iteration,
        "explored": len(judged),
        "sane": int(judged["sane"].sum()),
        "candidates": candidates,
        "uncertain": uncertain,
        "uncertain_fraction": fraction,
        "above_ceiling": int(judged["above_ceiling"].sum()),
        "selected": len(selected),
        "audit": int(audited(selected).sum()),
        "labelled": int(labelled.has_labels.sum()),
        "streak": streak,
        "audit_rms_error": {name: _audit_error(calibration, name) for name in PROPERTIES},
        "trusted": {name: calibration["properties"][name]["trusted"] for name in PROPERTIES},
        "missing_for_convergence": missing,
    }
    verdict, message = _verdict(numbers, labelled, campaign)
    return {"verdict": verdict, "message": message, **numbers}


def _verdict(
    numbers: dict[str, Any], labelled: PESData, campaign: CampaignParameters
) -> tuple[str, str]:
    missing = "; ".join(numbers["missing_for_convergence"])
    if not missing:
        return CONVERGED, (
            f"Converged: {numbers['uncertain_fraction']:.1%} of {numbers['candidates']} sane "
            f"frames are uncertain, {numbers['streak']} iterations in a row below the limit, with "
            "a trusted calibration and audit errors within the thresholds."
        )
    if remaining_budget(labelled, campaign.label_budget) == 0:
        return STOPPED, (
            f"Stopped: the label budget of {campaign.label_budget} is spent "
            f"({numbers['labelled']} labelled). Not converged: {missing}."
        )
    if not numbers["selected"]:
        return NOTHING_TO_LABEL, (
            f"Nothing to label, and not verified: {numbers['candidates']} of "
            f"{numbers['explored']} explored frames could be labelled, none was selected. "
            f"Not converged: {missing}."
        )
    if numbers["iteration"] >= campaign.max_iterations:
        return STOPPED, (
            f"Stopped after {numbers['iteration']} of at most {campaign.max_iterations} "
            f"iterations, with {numbers['selected']} structures to label. Not converged: {missing}."
        )
    return CONTINUE, (
        f"Continue: {numbers['selected']} structures to label, {numbers['audit']} of them as "
        f"audit. Not converged: {missing}."
    )


def _missing_evidence(judged: pd.DataFrame, calibration: dict[str, Any]) -> list[str]:
    """What stands between this calibration and a claim, for every property that frames have."""
    missing = []
    candidates = judged[judged["candidate"]]
    for name in PROPERTIES:
        if not np.isfinite(candidates[column("disagreement", name)]).any():
            continue
        entry = calibration["properties"][name]
        if entry["tau"] is None:
            missing.append(f"{name} is {entry['reason']}")
        elif not entry["trusted"]:
            missing.append(f"the calibration of {name} is not trusted")
        if entry.get("collapsed"):
            missing.append(f"the disagreement on {name} has collapsed")
        error = _audit_error(calibration, name)
        if error is None:
            missing.append(f"no audit sample shows the error of {name}")
        elif error > entry["error_threshold"]:
            missing.append(
                f"the audit error of {name}, {error:.3g} {entry['unit']}, "
                f"exceeds {entry['error_threshold']:g}"
            )
    return missing


def _not_settled(fraction: float | None, streak: int, parameters: EvaluationParameters) -> str:
    limit = parameters.convergence
    if fraction is None:
        return "the uncertain fraction is unknown"
    if streak == 0:
        return (
            f"{fraction:.1%} of the sane frames are uncertain, "
            f"the limit is {limit.uncertain_fraction:.1%}"
        )
    return (
        f"the uncertain fraction is below its limit for {streak} of {limit.iterations} iterations"
    )


def _audit_error(calibration: dict[str, Any], name: str) -> float | None:
    audit = calibration["properties"][name]["audit"]
    return None if audit is None else audit["rms_member_error"]
