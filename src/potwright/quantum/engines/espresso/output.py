"""What pw.x says of how it ended."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

from potwright.quantum.engines.espresso.guard import NOT_FOUND
from potwright.quantum.label import (
    BAD_INPUT,
    CRASH,
    KEPT_LINES,
    KILLED,
    NOT_CONVERGED,
    UNPHYSICAL,
    WALLTIME,
    CalculationError,
)

ERROR = re.compile(r"Error in routine\s+(\S+)\s*\(\s*-?\d+\s*\):\s*\n?(.*)")
UNCONVERGED = re.compile(r"convergence NOT achieved[^\n]*")
ACCURACY = re.compile(r"estimated scf accuracy\s+<\s+(\S+)\s+Ry")
STEP = "iteration #"
DIAGONALISATION = re.compile(
    r"[^\n]*(?:too many bands are not converged|problems computing cholesky|"
    r"S matrix not positive definite|eigenvectors failed to converge)[^\n]*"
)
SIGNALLED = re.compile(r"exited on signal (\d+)")
TIMINGS = re.compile(r"^\s*init_run\s+:", re.MULTILINE)
RESULTS = re.compile(r"^!.*", re.MULTILINE | re.DOTALL)
# what Fortran prints if a number does not fit into its columns, or is none
NOT_A_NUMBER = re.compile(r"\*{3}|\bnan\b|\binfinity\b", re.IGNORECASE)
# what the program does to itself when it goes wrong; other signals come from outside
OWN_SIGNALS = {
    int(sign)
    for sign in (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV)
}


def refuse_failure(output: str, errors: str, code: int | None) -> None:
    """Find out whether there is a result, and if not, why.

    Parameters
    ----------
    output, errors
        What the program printed.
    code
        Its exit status, 128 + n for signal n; None: we ended it for taking too long.

    Raises
    ------
    CalculationError
        With one of the reasons, what pw.x says, and its last lines.
    """
    found = next(_reasons(output, errors, code), None)
    if found is not None:
        raise CalculationError(*found, details=last_lines(output, errors))


def error_in(output: str) -> str:
    """The error that pw.x prints in a frame; empty: none."""
    found = ERROR.search(output)
    return f"error in routine {found.group(1)}: {found.group(2).strip()}" if found else ""


def last_lines(output: str, errors: str) -> str:
    """The end of the output without the table of timings, and of the errors."""
    kept = [line for line in _before_timings(output).splitlines() if line.strip()][-KEPT_LINES:]
    if error_in(output):
        return "\n".join(kept)  # MPI says at length that it was told to abort
    told = [line for line in errors.splitlines() if line.strip()]
    return "\n".join(kept + told[-KEPT_LINES // 2 :])


def _reasons(output: str, errors: str, code: int | None) -> Iterator[tuple[str, str]]:
    """What may be wrong, the first that tells most first."""
    if code is None:
        yield WALLTIME, "pw.x did not end within its time, and was ended"
    if "Maximum CPU time exceeded" in output:
        yield WALLTIME, "pw.x stopped at the end of its time"
    if code == NOT_FOUND:
        yield BAD_INPUT, f"the command is not found on this machine: {errors.strip()}"
    if unconverged := UNCONVERGED.search(output):
        accuracy = ACCURACY.findall(output)
        reached = f" (estimated accuracy {accuracy[-1]} Ry)" if accuracy else ""
        yield NOT_CONVERGED, unconverged.group().strip() + reached
    if diagonalisation := DIAGONALISATION.search(output):
        yield NOT_CONVERGED, f"diagonalisation: {diagonalisation.group().strip()}"
    if error := error_in(output):
        yield (CRASH if STEP in output else BAD_INPUT), error
    if sign := _signal(errors, code or 0):
        name = signal.Signals(sign).name if sign in set(signal.Signals) else f"signal {sign}"
        yield (CRASH if sign in OWN_SIGNALS else KILLED), f"pw.x was ended by {name}"
    if code != 0 or "JOB DONE" not in output:
        yield CRASH, f"pw.x ended with status {code} before it was done"
    results = RESULTS.search(_before_timings(output))
    if results is None:
        yield CRASH, "pw.x prints no total energy"
    elif NOT_A_NUMBER.search(results.group()):
        yield UNPHYSICAL, "pw.x prints numbers that are none"


def _before_timings(output: str) -> str:
    return TIMINGS.split(output, maxsplit=1)[0]


def _signal(errors: str, code: int) -> int:
    """The signal that ended the program or one of its MPI processes; 0: none."""
    told = SIGNALLED.search(errors)
    if told:
        return int(told.group(1))
    if code < 0:
        return -code
    return code - 128 if 128 < code < 128 + signal.NSIG else 0
