"""tblite computes with the machine's fast linear algebra, and the labels are the same."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys

import pytest
from ase.build import molecule
from tblite.ase import TBLite

from potwright.quantum import TBLiteEngine, compute_label
from potwright.quantum.engines import tblite

LABEL_A_METAL = """
from ase.build import bulk
from potwright.quantum import TBLiteEngine, compute_label
atoms = bulk("W", cubic=True)
atoms.rattle(0.1)
compute_label(TBLiteEngine(), atoms)
"""


class SerialBuild:
    """In place of a library: an OpenBLAS that threads must not share."""

    def __init__(self, name, mode=ctypes.DEFAULT_MODE):
        assert mode != ctypes.RTLD_GLOBAL, "its symbols would come first for everybody"

    def openblas_get_parallel(self):
        return 0


@pytest.fixture(params=["not here", "serial"])
def without_openblas(monkeypatch, request):
    if request.param == "serial":
        monkeypatch.setattr(ctypes, "CDLL", SerialBuild)
    else:
        monkeypatch.setattr(tblite, "OPENBLAS", "libopenblas_is_not_here.so")
    tblite.load_fast_linear_algebra.cache_clear()
    yield
    tblite.load_fast_linear_algebra.cache_clear()


def test_openblas_comes_before_what_the_wheel_brings():
    try:
        assert ctypes.CDLL(tblite.OPENBLAS).openblas_get_parallel()
    except OSError:
        if os.environ.get("POTWRIGHT_REQUIRE_PROGRAMS"):
            pytest.fail("POTWRIGHT_REQUIRE_PROGRAMS is set, and there is no OpenBLAS")
        pytest.skip("needs OpenBLAS")
    ran = subprocess.run(
        [sys.executable, "-c", LABEL_A_METAL],
        env=os.environ | {"LD_DEBUG": "bindings"},
        capture_output=True,
        text=True,
        check=True,
    )
    of_tblite = [line for line in ran.stderr.splitlines() if "_libtblite" in line.split(" to ")[0]]
    multiplications = [line for line in of_tblite if line.endswith("`dgemm_'")]
    assert multiplications
    assert all("openblas" in line.split(" to ")[1] for line in multiplications)


def test_without_openblas_it_says_what_would_help(without_openblas, caplog):
    with caplog.at_level(logging.INFO, logger="potwright"):
        TBLiteEngine().verify()
    assert "libopenblas0" in caplog.text


def test_the_mixing_changes_how_a_label_is_reached_and_not_the_label():
    atoms = molecule("C6H6")
    ours = compute_label(TBLiteEngine(accuracy=0.01), atoms)
    atoms.calc = TBLite(method="GFN1-xTB", accuracy=0.01, verbosity=0)  # mixes as tblite likes
    assert ours.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    assert ours.forces == pytest.approx(atoms.get_forces(), abs=1e-5)
