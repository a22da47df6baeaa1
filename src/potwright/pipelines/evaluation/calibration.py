"""The calibration of a committee, from labels that it has not been trained on.

What counts as evidence, see :mod:`potwright.uncertainty.evidence`. Rates and coverage are
quoted on the audit sample alone, for the threshold and error bars that were in force when it was
drawn.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from potwright.pes import PESData
from potwright.pipelines.evaluation.error_bars import error_bars, error_bars_per_atom
from potwright.pipelines.evaluation.parameters import CalibrationParameters, EvaluationParameters
from potwright.randomness import generator
from potwright.uncertainty import PROPERTIES, Predictions, classify, coverage, fit_slope
from potwright.uncertainty.evidence import (
    AUDIT,
    atom_evidence,
    evidence_sources,
    structure_evidence,
)
from potwright.uncertainty.measurement import WRITTEN_UNITS, column, number, proportion_of

logger = logging.getLogger(__name__)

OPTIMISTIC = "validation structures were used for early stopping and make this optimistic"
COLLAPSE = 0.5
"""A slope below this times that of the iteration before is a collapse of the disagreement."""


def calibrate(
    predictions: Predictions,
    predictions_previous: Predictions,
    labelled: PESData,
    *,
    previous: dict[str, Any],
    parameters: EvaluationParameters,
    iteration: int,
    seed: int,
    record: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The calibration report; every number that cannot be had is None, with the reason in words.

    Parameters
    ----------
    predictions, predictions_previous
        Of the current committee, and of the one that drew the audit sample.
    labelled
        All labelled structures.
    previous
        The report of the previous iteration, empty if there is none.
    parameters, iteration, seed
        As configured.
    record
        What is known of the current committee: on what its members have been trained.
    """
    sources = evidence_sources(predictions, predictions_previous, labelled, iteration, record)
    evidence = structure_evidence(sources)
    in_force = previous.get("properties", {})
    report = {
        name: _report(
            name,
            evidence,
            parameters,
            in_force.get(name, {}),
            generator(seed, "evaluation", "bootstrap", name, iteration),
        )
        for name in PROPERTIES
    }
    report["forces"] |= error_bars_per_atom(atom_evidence(sources), parameters.calibration)
    for name, entry in report.items():
        told = logger.warning if entry["collapsed"] else logger.info
        told("Calibration of %s: %s", name, entry["reason"])
    return {"iteration": iteration, "members": predictions.members, "properties": report}


def _report(
    name: str,
    evidence: pd.DataFrame,
    parameters: EvaluationParameters,
    in_force: dict[str, Any],
    bootstrap: np.random.Generator,
) -> dict[str, Any]:
    """Everything about one property."""
    kinds = [column(kind, name) for kind in ("disagreement", "member_error", "mean_error")]
    usable = evidence[np.isfinite(evidence[kinds]).all(axis=1)]
    threshold, settings = parameters.error_thresholds.by_property()[name], parameters.calibration
    measured = usable[kinds].to_numpy(dtype=float).T
    group, audit = usable["group"].to_numpy(), (usable["evidence"] == AUDIT).to_numpy()
    a = fit_slope(measured[0], measured[1], group)
    entry = {
        "unit": WRITTEN_UNITS[name],
        "error_threshold": threshold,
        "structures": len(usable),
        "structures_validation": int((~audit).sum()),
        "structures_audit": int(audit.sum()),
        "structures_vanishing": int(evidence["vanishing_forces"].sum()) if name == "forces" else 0,
        "calibrated": a.fitted,
        "a": number(a.value),
        "a_se": number(a.standard_error),
        "tau": number(a.value * threshold) if a.fitted else None,
        "a_previous": in_force.get("a"),
        "collapsed": a.fitted and a.value < COLLAPSE * (in_force.get("a") or 0.0),
        **error_bars(measured[0], measured[2], group, settings, bootstrap),
        "audit": _audit(measured[:, audit], threshold, in_force, settings),
    }
    return entry | {"reason": _reason(entry, settings)}


def _audit(
    measured: np.ndarray,
    threshold: float,
    in_force: dict[str, Any],
    settings: CalibrationParameters,
) -> dict[str, Any] | None:
    """What the audit sample says of the decisions and error bars in force when it was drawn.

    ``measured`` holds D, ε and b of its structures.
    """
    d, e, b = measured
    if not len(d):
        return None
    tau, c, q, factor = (in_force.get(key) for key in ("tau", "c", "c_conformal", "factor"))
    rates = classify(d, e, tau, threshold, settings.confidence) if tau is not None else None
    return {
        "structures": len(d),
        "rms_member_error": float(np.sqrt(np.mean(e**2))),
        "rms_mean_error": float(np.sqrt(np.mean(b**2))),
        "tau_in_force": tau,
        "true_positive_rate": proportion_of(rates.true_positive_rate) if rates else None,
        "positive_predictive_value": (
            proportion_of(rates.positive_predictive_value) if rates else None
        ),
        "coverage": proportion_of(coverage(b, c * d, settings.confidence)) if c else None,
        "coverage_conformal": proportion_of(coverage(b, q * d, settings.confidence)) if q else None,
        "coverage_conformal_nominal": in_force.get("conformal_level"),
        "method_in_force": in_force.get("method"),
        "coverage_of_factor": (
            proportion_of(coverage(b, factor * d, settings.confidence)) if factor else None
        ),
    }


def _reason(entry: dict[str, Any], settings: CalibrationParameters) -> str:
    """Why this property is calibrated and trusted, or not, in words."""
    if not entry["calibrated"]:
        few = entry["structures"] < 3
        why = "fewer than 3 labelled structures of evidence" if few else "members do not differ"
        return f"uncalibrated: {why} ({entry['structures']} structures, {entry['groups']} groups)"
    bound, minimum = entry["rho_lower_bound"], settings.minimum_correlation
    doubts = []
    if entry["groups"] < settings.minimum_groups:
        doubts.append(
            f"{entry['groups']} independent groups are fewer than {settings.minimum_groups}"
        )
    if bound is None:
        doubts.append("the rank correlation of D with the error of the mean has no lower bound")
    elif bound <= minimum:
        doubts.append(
            f"the rank correlation of D with the error of the mean, {entry['rho']:.2f}, is not "
            f"surely above {minimum:g} (lower {settings.confidence:.0%} bound {bound:.2f})"
        )
    if not doubts and entry["trusted"]:
        text = (
            f"trusted: rank correlation {entry['rho']:.2f}, lower bound {bound:.2f}, "
            f"{entry['groups']} groups"
        )
    else:
        text = "not trusted: " + "; ".join(
            doubts or ["the committee mean has no error to scale to"]
        )
    if not entry["informative"]:
        text += "; D guesses the error no better than a constant would"
    if entry["collapsed"]:
        text += (
            f"; the disagreement has collapsed: D is {entry['a']:.2f} of a member's error, and was "
            f"{entry['a_previous']:.2f} an iteration ago; members that start from the same weights "
            "and see the same data do not disagree"
        )
    if entry["factor"] is None:
        text += f"; no {entry['method']} error bar: {entry['groups']} groups are too few for it"
    if entry["structures_vanishing"]:
        text += f"; structures without forces do not count: {entry['structures_vanishing']}"
    return f"{text}; {OPTIMISTIC}" if entry["structures_validation"] else text
