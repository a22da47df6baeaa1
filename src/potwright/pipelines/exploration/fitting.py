"""Which structures an engine can run in its ensemble."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from potwright.dynamics import MDEngineParameters
from potwright.dynamics.lammps_ensembles import is_skewed
from potwright.errors import InputError
from potwright.pes import PESData
from potwright.pipelines.exploration.starts import Listed, listed_in

logger = logging.getLogger(__name__)


class Misfit(NamedTuple):
    """Structures that cannot be run, shape (S,), what they have, and what to do."""

    which: np.ndarray
    has: str
    way_out: str


def misfits(structures: PESData, engine: MDEngineParameters) -> list[Misfit]:
    """All kinds of structures that cannot be run in the engine's ensemble."""
    ensemble = engine.ensemble
    found = []
    if ensemble.startswith("npt"):
        found.append(
            Misfit(
                ~np.any(structures.pbc, axis=1),
                f"no periodic axis, along which the pressure of ensemble {ensemble} could act",
                "use auto",
            )
        )
    if ensemble == "npt_orthorhombic" and engine.type == "lammps":
        pairs = zip(structures.cell, structures.pbc, strict=True)
        found.append(
            Misfit(
                np.array([is_skewed(cell[pbc]) for cell, pbc in pairs], dtype=bool),
                f"lattice vectors that are not at right angles, which {ensemble} in LAMMPS needs",
                "use npt_isotropic, auto, or the engine ase",
            )
        )
    return found


def fit(possible: PESData, engine: MDEngineParameters, listed: Sequence[Listed] | None) -> PESData:
    """The structures that can be run; others are counted.

    Raises
    ------
    InputError
        If there is none, or one that is ``listed`` (then all are, in this order) cannot.
    """
    kinds = misfits(possible, engine)
    for misfit in kinds:
        if listed is not None and misfit.which.any():
            raise _refusal(listed[int(misfit.which.argmax())], misfit)
        if misfit.which.any():
            logger.info(
                "%d of %d structures have %s; they start no trajectory",
                int(misfit.which.sum()),
                len(possible),
                misfit.has,
            )
    return possible[_fits(possible, kinds)]


def refuse_listed(listed: Sequence[Listed], augmented: PESData, engine: MDEngineParameters) -> None:
    """Find those listed that are of the augmented set and cannot be run.

    Raises
    ------
    InputError
        Naming the first.
    """
    for name, place in listed_in(listed, augmented):
        for misfit in misfits(augmented[place : place + 1], engine):
            if misfit.which[0]:
                raise _refusal(name, misfit)


def refuse_misfits(structures: PESData, engine: MDEngineParameters) -> None:
    """Find that none of some structures can be run.

    Raises
    ------
    InputError
        Saying what most of them have.
    """
    _fits(structures, misfits(structures, engine))


def _fits(structures: PESData, kinds: Sequence[Misfit]) -> np.ndarray:
    """Which can be run, shape (S,); at least one, if there are any structures."""
    fits = np.ones(len(structures), dtype=bool)
    for kind in kinds:
        fits &= ~kind.which
    if len(fits) and not fits.any():
        most = max(kinds, key=lambda kind: kind.which.sum())
        raise InputError(
            f"exploration.engine.ensemble: of {len(fits)} structures that could start a trajectory "
            f"{int(most.which.sum())} have {most.has}; {most.way_out}"
        )
    return fits


def _refusal(name: Listed, misfit: Misfit) -> InputError:
    return InputError(
        f"exploration.starts: {name!r} has {misfit.has}; leave it out, or {misfit.way_out}"
    )
