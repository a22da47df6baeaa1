"""Semi-empirical tight binding by tblite: labels in about a second, and real physics.

GFN1-xTB: Grimme, Bannwarth, Shushkov, J. Chem. Theory Comput. 13, 1989 (2017). GFN2-xTB: Bannwarth,
Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019). tblite samples the Γ point only.
"""

from __future__ import annotations

import ctypes
import logging
import sys
from functools import cache
from importlib.metadata import distribution, version
from typing import ClassVar, Literal

from ase import Atoms
from ase.calculators.calculator import Calculator
from pydantic import Field

from potwright.parameters import Parameters
from potwright.quantum.level_of_theory import LevelOfTheory

OPENBLAS = "libopenblas.so.0"

logger = logging.getLogger(__name__)


@cache
def load_fast_linear_algebra() -> bool:
    """Put the machine's OpenBLAS, if there is one, before the libraries that tblite's wheel brings.

    Those are the reference BLAS and LAPACK, which take most of a label's time. Symbols of what is
    loaded globally come first for all that is loaded later: it must precede tblite's import. Other
    builds of tblite, as conda-forge's, have a fast library of their own.

    A serial build of OpenBLAS is left alone: called by several threads at a time, as PySCF does in
    the same process, it gives wrong numbers.

    Returns
    -------
    bool
        Whether tblite computes with a fast library.
    """
    brought = any(file.name.startswith("libblas") for file in distribution("tblite").files or ())
    if not brought or sys.platform != "linux":
        return True
    try:
        library = ctypes.CDLL(OPENBLAS)
    except OSError:
        return False
    if not library.openblas_get_parallel():
        return False
    ctypes.CDLL(OPENBLAS, ctypes.RTLD_GLOBAL)
    return True


class TBLiteEngine(Parameters):
    """xTB methods of the tblite library.

    Attributes
    ----------
    method
        The Hamiltonian.
    accuracy
        Factor on tblite's thresholds; smaller is tighter.
    electronic_temperature_kelvin
        Of the Fermi smearing.
    max_iterations
        Of the self-consistent charges. It changes whether a label exists, not its value, and
        therefore is not part of the level of theory.
    mixer_damping
        The share of each new potential in the mixing of self-consistent charges. Smaller than
        tblite's 0.4, since distorted metals take fewer steps so. Not part of the level either.
    min_length_angstrom
        A periodic cell with a shorter image gets a warning, since only the Γ point is sampled.
    """

    includes_dispersion: ClassVar[bool] = True  # D3 in GFN1 and IPEA1, D4 in GFN2
    gamma_only: ClassVar[bool] = True
    recoveries: ClassVar[tuple[str, ...]] = ()

    type: Literal["tblite"] = "tblite"
    method: Literal["GFN1-xTB", "GFN2-xTB", "IPEA1-xTB"] = "GFN1-xTB"
    accuracy: float = Field(default=1.0, gt=0)
    electronic_temperature_kelvin: float = Field(default=300.0, gt=0)
    max_iterations: int = Field(default=250, ge=1)
    mixer_damping: float = Field(default=0.1, gt=0, le=1)
    min_length_angstrom: float | None = Field(default=9.0, gt=0)

    def elements(self) -> frozenset[int]:
        """Hydrogen to radon."""
        return frozenset(range(1, 87))

    def verify(self) -> None:
        """Says how labels become faster; the settings are checked as they are read."""
        if not load_fast_linear_algebra():
            logger.info(
                "tblite computes with the slow linear algebra of its package, several times slower "
                "for large structures than with OpenBLAS (Debian's libopenblas0), which is not "
                "here, or only as a serial build"
            )

    def level_of_theory(self) -> LevelOfTheory:
        """Method, accuracy and electronic temperature at tblite's version."""
        settings = {
            "method": self.method,
            "accuracy": self.accuracy,
            "electronic_temperature_kelvin": self.electronic_temperature_kelvin,
        }
        return LevelOfTheory("tblite", version("tblite"), settings)

    def make_calculator(self, structure: Atoms, recovery: str = "") -> Calculator:
        """A fresh calculator: one that starts from another structure's charges would differ."""
        load_fast_linear_algebra()
        from tblite.ase import TBLite

        return TBLite(
            method=self.method,
            accuracy=self.accuracy,
            electronic_temperature=self.electronic_temperature_kelvin,
            max_iterations=self.max_iterations,
            mixer_damping=self.mixer_damping,
            verbosity=0,
        )
