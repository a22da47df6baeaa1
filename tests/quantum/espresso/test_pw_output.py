"""Outputs that pw.x cannot be made to print at will, in pieces as it prints them."""

from __future__ import annotations

import signal

import pytest

from potwright.quantum.engines.espresso.output import last_lines, refuse_failure
from potwright.quantum.engines.espresso.program import version_in
from potwright.quantum.label import CalculationError

HEADER = "     Program PWSCF v.6.7MaX starts on 26Nov2026 at  0:25:15\n"
STEP = "     iteration #  1     ecut=    40.00 Ry     beta= 0.40\n"
GOOD = """
!    total energy              =     -36.63114886 Ry
     convergence has been achieved in  10 iterations
     atom    1 type  1   force =     0.00000000    0.01000000    0.00000000
"""
TIMINGS = "\n     init_run     :      0.36s CPU      0.39s WALL (       1 calls)\n   JOB DONE.\n"
FRAME = " %%%%%%%%\n     Error in routine {} (1):\n     {}\n %%%%%%%%\n     stopping ...\n"


def reason(output, errors="", code=0):
    try:
        refuse_failure(output, errors, code)
    except CalculationError as error:
        return error.reason
    return ""


@pytest.mark.parametrize(
    ("output", "errors", "code", "expected"),
    [
        (HEADER + STEP + GOOD + TIMINGS, "", 0, ""),
        (HEADER + STEP + GOOD.replace("-36.63114886", "NaN") + TIMINGS, "", 0, "unphysical"),
        (HEADER + STEP + GOOD.replace(" 0.01000000", "***********") + TIMINGS, "", 0, "unphysical"),
        (HEADER + STEP + TIMINGS, "", 0, "crash"),
        (HEADER + STEP + GOOD, "", 0, "crash"),
        (HEADER + STEP, "", 2, "crash"),
        (HEADER + FRAME.format("cdiaghg", "problems computing cholesky"), "", 1, "not_converged"),
        (
            HEADER + STEP + FRAME.format("c_bands", "too many bands are not converged"),
            "",
            1,
            "not_converged",
        ),
        (HEADER + FRAME.format("readpp", "file C.UPF not found"), "", 1, "bad_input"),
        (HEADER + STEP + FRAME.format("davcio", "error writing file"), "", 1, "crash"),
        (HEADER + STEP, "", 128 + signal.SIGKILL, "killed"),
        (HEADER + STEP, "", 128 + signal.SIGTERM, "killed"),
        (HEADER + STEP, "", 128 + signal.SIGSEGV, "crash"),
        (HEADER + STEP, "process rank 1 ... exited on signal 9 (Killed).", 137, "killed"),
        (HEADER + STEP, "process rank 0 ... exited on signal 11 (Segmentation).", 139, "crash"),
        (HEADER + "\n     Maximum CPU time exceeded\n" + TIMINGS, "", 2, "walltime"),
        (HEADER + STEP, "", None, "walltime"),
        ("", "[Errno 2] No such file or directory: 'pw.x'", 127, "bad_input"),
    ],
)
def test_each_way_to_end_has_its_class(output, errors, code, expected):
    assert reason(output, errors, code) == expected


def test_the_last_lines_are_what_happened_not_how_long_it_took():
    output = HEADER + STEP * 40 + "     something happened\n" + TIMINGS
    kept = last_lines(output, "STOP 2\n").splitlines()
    assert kept[-2:] == ["     something happened", "STOP 2"]
    assert len(kept) < 40


def test_versions_are_read_from_the_header():
    assert version_in(HEADER) == "6.7.MaX"
    assert version_in("mpirun says hello\n     Program PWSCF v.7.3.1 starts on") == "7.3.1"
    assert version_in("     Program PWSCF v.7.2 (svn rev. 1) starts") == "7.2"
    assert version_in("Program CP v.7.2") is None
