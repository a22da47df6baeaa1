"""From disagreement to error bars of the committee mean: one factor by each method.

All three factors are fitted; ``factor`` is that of the configured method, and ``meaning`` says in
words what the product of factor and disagreement is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from potwright.pipelines.evaluation.parameters import CalibrationParameters
from potwright.uncertainty import (
    conformal_factor,
    error_scale,
    informative,
    likelihood_scale,
    rank_correlation,
    trusted,
)
from potwright.uncertainty.evidence import AtomEvidence
from potwright.uncertainty.measurement import number

KEYS = {"linear": "c", "conformal": "c_conformal", "likelihood": "c_likelihood"}
KEYS_PER_ATOM = {
    "linear": "c_per_atom",
    "conformal": "c_per_atom_conformal",
    "likelihood": "c_per_atom_likelihood",
}
MEANINGS = {
    "linear": "factor·D is the error to be expected of the committee mean, as a root mean square",
    "conformal": (
        "the error of the committee mean is at most factor·D with a probability of {level:g}, in "
        "structures of a new group that is drawn like the evidence"
    ),
    "likelihood": (
        "factor·D is the most likely standard deviation of the error of the committee mean, if "
        "that error is normal"
    ),
}


def error_bars(
    disagreement: np.ndarray,
    error: np.ndarray,
    group: np.ndarray,
    settings: CalibrationParameters,
    bootstrap: np.random.Generator,
) -> dict[str, Any]:
    """Factors from disagreement to the error of the mean, and whether they are believed.

    Parameters
    ----------
    disagreement, error, group
        D, b and group of each structure of evidence, shape (S,).
    settings
        As configured.
    bootstrap
        Where the randomness of the bound on ρ comes from.
    """
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
    level, method = settings.conformal_level, settings.method
    bars = {
        "c": number(c.value),
        "c_se": number(c.standard_error),
        "c_conformal": number(conformal_factor(disagreement, error, level, group)),
        "conformal_level": level,
        "c_likelihood": number(likelihood_scale(disagreement, error)),
        "rho": number(rho.value),
        "rho_lower_bound": number(rho.lower_bound),
        "confidence": settings.confidence,
        "groups": groups,
        "trusted": trust and c.fitted,
        "informative": informative(disagreement, error),
        "method": method,
        "level": level if method == "conformal" else None,
        "meaning": MEANINGS[method].format(level=level),
    }
    return bars | {"factor": bars[KEYS[method]] if c.fitted else None}


def error_bars_per_atom(atoms: AtomEvidence, settings: CalibrationParameters) -> dict[str, Any]:
    """The factors of error bars of the force on an atom, which are not those per structure."""
    d, b, group = atoms.disagreement, atoms.error, atoms.group
    c = error_scale(d, b, group)
    bars = {
        "c_per_atom": number(c.value),
        "c_per_atom_se": number(c.standard_error),
        "c_per_atom_conformal": number(conformal_factor(d, b, settings.conformal_level, group)),
        "c_per_atom_likelihood": number(likelihood_scale(d, b)),
    }
    return bars | {"factor_per_atom": bars[KEYS_PER_ATOM[settings.method]] if c.fitted else None}
