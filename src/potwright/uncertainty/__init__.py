"""What a committee's spread says, and whether it can be believed.

Plain functions of arrays: member predictions in, numbers out. Nothing here knows how predictions
were made or what they decide.

>>> import numpy as np
>>> opposite = np.array([[[1.0, 1.0, 1.0]], [[-1.0, -1.0, -1.0]]])  # 2 members, 1 atom, eV/Å
>>> force_disagreement(opposite, offsets=np.array([0, 1])).tolist()
[1.0]
"""

from potwright.uncertainty.calibration import (
    Factor,
    RankCorrelation,
    conformal_factor,
    error_scale,
    fit_slope,
    informative,
    likelihood_scale,
    rank_correlation,
    trusted,
)
from potwright.uncertainty.classification import (
    Classification,
    Proportion,
    classify,
    confusion_map,
    coverage,
    proportion,
)
from potwright.uncertainty.disagreement import (
    PROPERTIES,
    ForceUncertainty,
    Uncertainty,
    energy_uncertainty,
    force_disagreement,
    force_uncertainty,
    property_uncertainties,
    stress_uncertainty,
)
from potwright.uncertainty.predictions import Predictions

__all__ = [
    "PROPERTIES",
    "Classification",
    "Factor",
    "ForceUncertainty",
    "Predictions",
    "Proportion",
    "RankCorrelation",
    "Uncertainty",
    "classify",
    "conformal_factor",
    "confusion_map",
    "coverage",
    "energy_uncertainty",
    "error_scale",
    "fit_slope",
    "force_disagreement",
    "force_uncertainty",
    "informative",
    "likelihood_scale",
    "property_uncertainties",
    "proportion",
    "rank_correlation",
    "stress_uncertainty",
    "trusted",
]
