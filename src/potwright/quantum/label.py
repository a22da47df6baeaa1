"""One calculation: energy, forces and stress of a structure by an engine."""

from __future__ import annotations

import socket
import time
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError

from potwright.geometry import engine_pbc

if TYPE_CHECKING:
    from potwright.quantum.engines.protocol import Engine

NOT_CONVERGED, WALLTIME, CRASH = "not_converged", "walltime", "crash"
KILLED, BAD_INPUT, UNPHYSICAL = "killed", "bad_input", "unphysical"
REASONS = (NOT_CONVERGED, WALLTIME, CRASH, KILLED, BAD_INPUT, UNPHYSICAL)
KEPT_LINES = 20

# names rather than classes: an exception reaches the main process as text
_BAD_INPUT_ERRORS = {
    "CalculatorSetupError",
    "InputError",
    "NotImplementedError",
    "PropertyNotImplementedError",
}


@dataclass(frozen=True)
class Attempt:
    """One try of a calculation that gave no label.

    Attributes
    ----------
    recovery
        Name of the recovery that was tried; empty: the calculation as it was asked for.
    reason, message, details, seconds
        As in :class:`LabelFailure`.
    """

    recovery: str
    reason: str
    message: str
    details: str
    seconds: float


@dataclass(frozen=True)
class Label:
    """What an engine says about a structure.

    Attributes
    ----------
    energy
        Force-consistent energy, eV.
    forces
        Shape (n, 3), eV/Å.
    stress
        Shape (6,), ASE's sign and Voigt order, eV/Å³, per volume of the structure's cell; None
        where nothing is periodic or the engine has no stress.
    seconds
        Wall time of the calculation, all attempts together.
    host
        The machine that computed it; empty if unknown.
    recovery
        Name of the recovery that led to it; empty if none was needed.
    attempts
        The tries before.
    """

    energy: float
    forces: np.ndarray
    stress: np.ndarray | None
    seconds: float
    host: str = ""
    recovery: str = ""
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class LabelFailure:
    """Why there is no label.

    Attributes
    ----------
    reason
        ``not_converged``, ``crash``, ``bad_input`` or ``unphysical``.
    message
        What the engine said.
    details
        The last lines of its traceback or output.
    seconds
        Wall time until it failed, all attempts together.
    host
        The machine on which it failed; empty if unknown.
    attempts
        All tries, the last included, where the engine knows recoveries.
    """

    reason: str
    message: str
    details: str
    seconds: float
    host: str = ""
    attempts: tuple[Attempt, ...] = ()


class UnphysicalResultError(RuntimeError):
    """The engine finished, and its result is not made of finite numbers."""


def compute_label(engine: Engine, structure: Atoms) -> Label:
    """Compute the label of a structure.

    The engine sees a structure that is periodic along some axis as periodic along all three, in
    its cell as stored (which holds vacuum along the other axes), so that a sheet and a wire have a
    stress. A structure without periodic axis has none.

    Parameters
    ----------
    engine
        What computes it.
    structure
        With its true periodicity. Constraints are ignored: labels are physical forces.

    Raises
    ------
    UnphysicalResultError
        If the result is not finite.
    Exception
        Whatever the engine raises; see :func:`failure_reason`.
    """
    start = time.perf_counter()
    atoms = structure.copy()
    atoms.set_constraint()
    atoms.pbc = engine_pbc(structure.pbc)
    calculator = engine.make_calculator()
    atoms.calc = calculator
    energy = atoms.get_potential_energy()
    forces = np.array(atoms.get_forces(), dtype=float)
    stress = _stress(atoms) if structure.pbc.any() else None
    free_energy = _results(calculator).get("free_energy")
    energy = float(energy if free_energy is None else free_energy)
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise UnphysicalResultError("energy or forces are not finite")
    if stress is not None and not np.isfinite(stress).all():
        raise UnphysicalResultError("the stress is not finite")
    return Label(energy, forces, stress, time.perf_counter() - start)


def try_label(engine: Engine, structure: Atoms) -> Label | LabelFailure:
    """Like :func:`compute_label`; what the engine raises becomes a failure, with its reason.

    This is what workers run: one structure that fails stops nothing.
    """
    start = time.perf_counter()
    try:
        return replace(compute_label(engine, structure), host=socket.gethostname())
    except Exception as error:  # noqa: BLE001 - engines raise what they like; all is recorded
        kind, told = type(error).__name__, traceback.format_exc()
        return LabelFailure(
            failure_reason(kind, str(error)),
            f"{kind}: {error}",
            "\n".join(told.splitlines()[-KEPT_LINES:]),
            time.perf_counter() - start,
            socket.gethostname(),
        )


def failure_reason(kind: str, message: str) -> str:
    """The class of a failure, from the exception's class name and what it said."""
    if kind == "worker lost":
        return KILLED
    if kind == "SCFError" or "converge" in message.lower():
        return NOT_CONVERGED
    if kind == UnphysicalResultError.__name__:
        return UNPHYSICAL
    return BAD_INPUT if kind in _BAD_INPUT_ERRORS else CRASH


def _stress(atoms: Atoms) -> np.ndarray | None:
    try:
        return np.array(atoms.get_stress(voigt=True), dtype=float)
    except PropertyNotImplementedError:
        return None


def _results(calculator: Calculator) -> dict[str, float]:
    return getattr(calculator, "results", {})
