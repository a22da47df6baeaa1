"""Which searches and exchanges go with which ensembles and conditions."""

from __future__ import annotations

from collections.abc import Sequence

from potwright.dynamics import Conditions, MDEngineParameters, Moves


def refuse_impossible(
    moves: Moves, engine: MDEngineParameters, points: Sequence[Conditions]
) -> None:
    """Find combinations that make no sense, before anything runs.

    Parameters
    ----------
    moves
        As configured.
    engine
        Its type and ensemble count.
    points
        Conditions that somebody has named.

    Raises
    ------
    ValueError
        Naming the keys, for whoever validates the block.
    """
    method, ensemble = moves.method.type, engine.ensemble
    if moves.swaps.enabled and moves.is_search:
        raise ValueError(
            f"swaps.enabled with method.type = {method!r}: atoms are exchanged during dynamics "
            "only; set swaps.enabled to false, or take method.type dynamics"
        )
    if moves.swaps.enabled and ensemble == "nve":
        raise ValueError(
            "swaps.enabled, but nothing holds the temperature at which they would be accepted "
            "in ensemble nve; use auto, npt_…, nvt or langevin"
        )
    if moves.metadynamics.enabled and (engine.type != "lammps" or moves.is_search):
        raise ValueError(
            "metadynamics.enabled: it is Colvars that does it, during dynamics in LAMMPS; set "
            "engine.type to lammps and method.type to dynamics, or metadynamics.enabled to false"
        )
    if moves.metadynamics.enabled and ensemble not in ("nvt", "langevin", "nve"):
        raise ValueError(
            f"metadynamics.enabled in ensemble {ensemble}: a barostat does not feel the hills, "
            "since Colvars gives no stress; use nvt, langevin or nve"
        )
    if method == "minima_hopping" and any(not point.temperature_kelvin for point in points):
        raise ValueError(
            "design asks for 0 K, where the dynamics of method.type = 'minima_hopping' leaves no "
            "minimum; give temperatures above 0 K: each is where a search begins, and it adapts"
        )
