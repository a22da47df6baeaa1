"""Other paths to the same result, for where the SCF does not converge.

A rung of the ladder may touch the keys of :data:`PATH` and no other: mixing, diagonalisation, start
and steps. What is converged to (cutoffs, k-points, smearing, thresholds, spin, U) stays.
"""

from __future__ import annotations

from typing import Any, Literal

RecoveryName = Literal[
    "gentle_mixing", "local_mixing", "conjugate_gradients", "random_start", "more_steps"
]

# keys of pw.x that change whether and how fast the SCF ends, not where
PATH = frozenset(
    {
        "diago_cg_maxiter",
        "diago_david_ndim",
        "diago_full_acc",
        "diago_thr_init",
        "diagonalization",
        "electron_maxstep",
        "mixing_beta",
        "mixing_mode",
        "mixing_ndim",
        "startingpot",
        "startingwfc",
    }
)


def path_of(recovery: str, mixing_beta: float, electron_maxstep: int) -> dict[str, Any]:
    """Keys of pw.x's namelist ELECTRONS that say how the SCF is reached.

    Parameters
    ----------
    recovery
        A name of :data:`RecoveryName`, or empty: the calculation as asked for.
    mixing_beta, electron_maxstep
        Of the calculation as asked for.
    """
    asked: dict[str, Any] = {"mixing_beta": mixing_beta, "electron_maxstep": electron_maxstep}
    changes: dict[str, dict[str, Any]] = {
        "": {},
        # for charge that sloshes: small steps, a long memory
        "gentle_mixing": {
            "mixing_beta": mixing_beta / 4,
            "mixing_ndim": 12,
            "electron_maxstep": 2 * electron_maxstep,
        },
        # for surfaces, sheets and wires: screening that depends on the place
        "local_mixing": {
            "mixing_mode": "local-TF",
            "mixing_beta": mixing_beta / 2,
            "electron_maxstep": 2 * electron_maxstep,
        },
        # where Davidson's iterations fail: slower, and steadier
        "conjugate_gradients": {"diagonalization": "cg", "mixing_beta": mixing_beta / 2},
        # where atomic wavefunctions are a bad or dependent start
        "random_start": {"startingwfc": "random", "mixing_beta": mixing_beta / 2},
        "more_steps": {"electron_maxstep": 5 * electron_maxstep},
    }
    return asked | changes[recovery]
