"""A few steps downhill by a committee that is there already, cell and atoms together."""

from __future__ import annotations

import logging
from functools import partial

import numpy as np
from ase import Atoms

from potwright.errors import InputError
from potwright.execution import run_tasks
from potwright.pipelines.augmentation.parameters import RelaxationParameters
from potwright.potentials import load_committee

logger = logging.getLogger(__name__)


def relax(crystals: list[Atoms], parameters: RelaxationParameters) -> list[Atoms]:
    """Relax crystals on the surface of a committee's mean.

    Parameters
    ----------
    crystals
        Periodic along all axes.
    parameters
        The committee's folder, how far, and where this runs.

    Returns
    -------
    list of Atoms
        In the order of ``crystals``, with ``relaxation_steps`` in ``info``. What fails, or has
        forces that are not finite, is left out and counted.

    Raises
    ------
    InputError
        If there is no such committee, or it does not know an element.
    """
    committee = load_committee(str(parameters.committee))  # refused here, not in each worker
    relaxed: dict[int, Atoms] = {}
    reasons = []
    task = partial(_relax_one, parameters)
    for outcome in run_tasks(task, crystals, parameters.executor, description="Relaxation"):
        error = outcome.error
        if error is None:
            relaxed[outcome.index] = outcome.value
        elif error.kind == InputError.__name__:
            raise InputError(f"augmentation.random_search.relaxation: {error.message}")
        else:
            reasons.append(error.message)
    if reasons:
        logger.warning("Relaxation: %d crystals fail, one by: %s", len(reasons), reasons[0])
    logger.info(
        "Relaxation: %d of %d crystals, by %d members of %s",
        len(relaxed),
        len(crystals),
        len(committee),
        parameters.committee,
    )
    return [relaxed[i] for i in sorted(relaxed)]


def _relax_one(parameters: RelaxationParameters, crystal: Atoms) -> Atoms:
    from potwright.dynamics.barostat import Strains
    from potwright.dynamics.integrators import Relaxation

    atoms = crystal.copy()
    committee = load_committee(str(parameters.committee))
    atoms.calc = committee.calculator(calibration={}, device=parameters.device)
    strains = Strains.of("full", 3, np.array(atoms.cell))
    motion = Relaxation(atoms, strains, 0.0, parameters.max_force_ev_per_angstrom)
    taken = -1  # the first item is the state before any step
    for taken, _ in enumerate(motion.steps(parameters.steps)):
        if not np.isfinite(atoms.get_forces()).all():
            raise ArithmeticError(f"forces are not finite after {taken} steps")
    atoms.calc = None
    atoms.info["relaxation_steps"] = taken
    return atoms
