"""The calibration of a committee, from labels that it has not been trained on.

Evidence is the validation split, predicted by the current committee (early stopping has looked at
it, so it is optimistic), and the audit sample of this iteration, predicted by the committee that
drew it. Only the audit sample, drawn regardless of disagreement, can show what a threshold misses:
rates and coverage are quoted on it alone, for the threshold and error bars that were in force when
it was drawn.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd

from potwright.pes import PESData
from potwright.pipelines.evaluation.measurement import WRITTEN_UNITS, audit_of, column, measure
from potwright.pipelines.evaluation.parameters import CalibrationParameters, EvaluationParameters
from potwright.randomness import generator
from potwright.uncertainty import (
    PROPERTIES,
    Predictions,
    Proportion,
    classify,
    conformal_factor,
    coverage,
    error_scale,
    fit_slope,
    force_uncertainty,
    informative,
    likelihood_scale,
    rank_correlation,
    trusted,
)

logger = logging.getLogger(__name__)

VALIDATION, AUDIT = "validation", "audit"
OPTIMISTIC = "validation structures were used for early stopping and make this optimistic"


def calibrate(
    predictions: Predictions,
    predictions_previous: Predictions,
    labelled: PESData,
    *,
    previous: dict[str, Any],
    parameters: EvaluationParameters,
    iteration: int,
    seed: int,
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
    """
    sources = evidence_sources(predictions, predictions_previous, labelled, iteration)
    parts = [measure(p, s).assign(evidence=name) for name, (p, s) in sources.items()]
    evidence = pd.concat(parts, ignore_index=True)
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
    report["forces"] |= _per_atom(list(sources.values()))
    for name, entry in report.items():
        logger.info("Calibration of %s: %s", name, entry["reason"])
    return {"iteration": iteration, "members": predictions.members, "properties": report}


def evidence_sources(
    predictions: Predictions,
    predictions_previous: Predictions,
    labelled: PESData,
    iteration: int,
) -> dict[str, tuple[Predictions, PESData]]:
    """Predictions and structures of each kind of evidence; isolated atoms are none.

    An audit structure counts once, as the committee predicted it which had not seen it.
    """
    audit = audit_of(labelled, iteration) & (predictions_previous.index_of(labelled.id) >= 0)
    lost = int(audit_of(labelled, iteration).sum() - audit.sum())
    if lost:
        logger.warning("%d audit structures have no predictions of when they were drawn", lost)
    crystals_and_molecules = labelled.origin != "isolated_atom"
    validation = (labelled.split == "validation") & ~audit & crystals_and_molecules
    validation &= predictions.index_of(labelled.id) >= 0
    return {
        VALIDATION: (predictions, labelled[validation]),
        AUDIT: (predictions_previous, labelled[audit & crystals_and_molecules]),
    }


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
        "calibrated": a.fitted,
        "a": _number(a.value),
        "a_se": _number(a.standard_error),
        "tau": _number(a.value * threshold) if a.fitted else None,
        **_error_bars(measured[0], measured[2], group, settings, bootstrap),
        "audit": _audit(measured[:, audit], threshold, in_force, settings),
    }
    return entry | {"reason": _reason(entry, settings)}


def _error_bars(
    disagreement: np.ndarray,
    error: np.ndarray,
    group: np.ndarray,
    settings: CalibrationParameters,
    bootstrap: np.random.Generator,
) -> dict[str, Any]:
    """Factors from disagreement to the error of the mean, and whether they are believed."""
    c = error_scale(disagreement, error, group)
    rho = rank_correlation(
        disagreement,
        error,
        group,
        bootstrap,
        confidence=settings.confidence,
        resamples=settings.bootstrap_samples,
    )
    groups = len(np.unique(group))
    trust = trusted(
        rho,
        groups,
        minimum_groups=settings.minimum_groups,
        minimum_correlation=settings.minimum_correlation,
    )
    return {
        "c": _number(c.value),
        "c_se": _number(c.standard_error),
        "c_conformal": _number(conformal_factor(disagreement, error, settings.conformal_level)),
        "conformal_level": settings.conformal_level,
        "c_likelihood": _number(likelihood_scale(disagreement, error)),
        "rho": _number(rho.value),
        "rho_lower_bound": _number(rho.lower_bound),
        "confidence": settings.confidence,
        "groups": groups,
        "trusted": trust and c.fitted,
        "informative": informative(disagreement, error),
    }


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
    tau, c, q = (in_force.get(key) for key in ("tau", "c", "c_conformal"))
    rates = classify(d, e, tau, threshold, settings.confidence) if tau is not None else None
    return {
        "structures": len(d),
        "rms_member_error": float(np.sqrt(np.mean(e**2))),
        "rms_mean_error": float(np.sqrt(np.mean(b**2))),
        "tau_in_force": tau,
        "true_positive_rate": _proportion(rates.true_positive_rate) if rates else None,
        "positive_predictive_value": (
            _proportion(rates.positive_predictive_value) if rates else None
        ),
        "coverage": _proportion(coverage(b, c * d, settings.confidence)) if c else None,
        "coverage_conformal": _proportion(coverage(b, q * d, settings.confidence)) if q else None,
        "coverage_conformal_nominal": in_force.get("conformal_level"),
    }


def _per_atom(sources: list[tuple[Predictions, PESData]]) -> dict[str, float | None]:
    """The factor of error bars per atom, which is not that per structure."""
    parts = [
        (
            force_uncertainty(
                predictions.select(structures.id).forces, structures.forces, structures.offsets
            ),
            structures.group[structures.structure_of_atom],
        )
        for predictions, structures in sources
        if len(structures)
    ]
    if not parts:
        return {"c_per_atom": None, "c_per_atom_se": None}
    factor = error_scale(
        np.concatenate([part.disagreement_per_atom for part, _ in parts]),
        np.concatenate([part.mean_error_per_atom for part, _ in parts]),
        np.concatenate([group for _, group in parts]),
    )
    return {
        "c_per_atom": _number(factor.value),
        "c_per_atom_se": _number(factor.standard_error),
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
    return f"{text}; {OPTIMISTIC}" if entry["structures_validation"] else text


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _proportion(value: Proportion) -> dict[str, Any]:
    return {
        "value": _number(value.value),
        "lower": _number(value.lower),
        "upper": _number(value.upper),
        "successes": value.successes,
        "trials": value.trials,
    }
