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
"""Why there is no label: it ran out of steps, or out of time; it ended by a mistake of the program,
or by a signal from outside; it could not start with this input; its numbers are none."""

KEPT_LINES = 20
"""How much of an output or a traceback is kept with a failure."""

# names rather than classes: an exception may reach the main process as text
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
        One of :data:`REASONS`.
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


class CalculationError(RuntimeError):
    """A calculation failed, and its engine knows why.

    Parameters
    ----------
    reason
        One of :data:`REASONS`.
    message
        What happened, in a sentence.
    details
        The last lines of the program's output.
    """

    def __init__(self, reason: str, message: str, details: str = ""):
        super().__init__(reason, message, details)
        self.reason, self.message, self.details = reason, message, details

    def __str__(self) -> str:
        return self.message


class UnphysicalResultError(RuntimeError):
    """The engine finished, and its result is not made of finite numbers."""


def compute_label(engine: Engine, structure: Atoms) -> Label:
    """Compute the label of a structure, with the engine's recoveries where it does not converge.

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
        Whatever the engine raises in the last attempt; see :func:`failure_reason`.
    """
    label, _, error = _climb(engine, structure)
    if label is None:
        assert error is not None
        raise error
    return label


def try_label(engine: Engine, structure: Atoms) -> Label | LabelFailure:
    """Like :func:`compute_label`; what the engine raises becomes a failure, with its reason.

    This is what workers run: one structure that fails stops nothing.
    """
    start = time.perf_counter()
    label, attempts, _ = _climb(engine, structure)
    seconds, host = time.perf_counter() - start, socket.gethostname()
    if label is not None:
        return replace(label, host=host)
    last = attempts[-1]
    told = attempts if engine.recoveries else ()
    return LabelFailure(last.reason, last.message, last.details, seconds, host, told)


def failure_reason(kind: str, message: str) -> str:
    """The class of a failure, from the exception's class name and what it said."""
    if kind == "worker lost" or "died with <Signals.SIG" in message:
        return KILLED
    if kind == "SCFError" or "converge" in message.lower():
        return NOT_CONVERGED
    if kind == UnphysicalResultError.__name__:
        return UNPHYSICAL
    return BAD_INPUT if kind in _BAD_INPUT_ERRORS else CRASH


def _climb(
    engine: Engine, structure: Atoms
) -> tuple[Label | None, tuple[Attempt, ...], BaseException | None]:
    """As asked for, then recovery by recovery as long as nothing else is wrong than convergence."""
    begin = time.perf_counter()
    attempts: tuple[Attempt, ...] = ()
    error: BaseException | None = None
    for recovery in ("", *engine.recoveries):
        start = time.perf_counter()
        try:
            label = _calculate(engine, structure, recovery)
        except (Exception, SystemExit) as raised:  # noqa: BLE001 - engines raise what they like
            attempt = _failed(raised, recovery, time.perf_counter() - start)
            attempts, error = (*attempts, attempt), raised
            if attempt.reason != NOT_CONVERGED:
                break
        else:
            seconds = time.perf_counter() - begin
            return replace(label, seconds=seconds, recovery=recovery, attempts=attempts), (), None
    return None, attempts, error


def _calculate(engine: Engine, structure: Atoms, recovery: str) -> Label:
    start = time.perf_counter()
    atoms = structure.copy()
    atoms.set_constraint()
    atoms.pbc = engine_pbc(structure.pbc)
    calculator = engine.make_calculator(structure, recovery)
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


def _failed(error: BaseException, recovery: str, seconds: float) -> Attempt:
    if isinstance(error, CalculationError):
        return Attempt(recovery, error.reason, error.message, error.details, seconds)
    kind, told = type(error).__name__, traceback.format_exception(error)
    details = "\n".join("".join(told).splitlines()[-KEPT_LINES:])
    reason = failure_reason(kind, str(error))
    return Attempt(recovery, reason, f"{kind}: {error}", details, seconds)


def _stress(atoms: Atoms) -> np.ndarray | None:
    try:
        return np.array(atoms.get_stress(voigt=True), dtype=float)
    except PropertyNotImplementedError:
        return None


def _results(calculator: Calculator) -> dict[str, float]:
    return getattr(calculator, "results", {})
