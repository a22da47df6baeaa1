"""What drives the trajectories: one member, or one with a bias to where members disagree."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from potwright.dynamics import Bias, BiasedPotential, Driver
from potwright.pipelines.exploration.parameters import BiasParameters
from potwright.potentials import Committee

logger = logging.getLogger(__name__)
MILLI = 1000.0


def driver(committee: Committee, member: int, bias: Bias | None) -> Driver:
    """The potential of the dynamics."""
    if bias is None:
        return committee.members[member]
    paths = tuple(one.path for one in committee.members)
    return BiasedPotential(paths, committee.backend, member, bias)


def bias_of(parameters: BiasParameters, calibration: Mapping[str, Any]) -> Bias | None:
    """The bias that is asked for; its scale, if none is given, is the last calibration's threshold.

    Parameters
    ----------
    parameters
        As configured.
    calibration
        The last report, empty if there is none.
    """
    if not parameters.enabled:
        return None
    scale = parameters.scale_mev_per_atom
    if scale is None:
        scale = calibration.get("properties", {}).get("energy", {}).get("tau")
    if scale is None:
        logger.warning(
            "Dynamics is not biased: the energy is not calibrated yet, and "
            "exploration.bias.scale_mev_per_atom is not given"
        )
        return None
    return Bias(
        parameters.depth_mev_per_atom / MILLI,
        scale / MILLI,
        parameters.largest_force_ev_per_angstrom,
    )
