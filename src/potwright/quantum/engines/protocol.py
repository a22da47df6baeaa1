"""What an engine provides: parameters from YAML that know their level of theory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ase import Atoms
from ase.calculators.calculator import Calculator

from potwright.quantum.level_of_theory import LevelOfTheory


class Engine(Protocol):
    """A way to compute labels. Frozen and picklable: it travels to the workers."""

    @property
    def includes_dispersion(self) -> bool:
        """Whether its labels contain dispersion, which must then not be added again."""

    @property
    def gamma_only(self) -> bool:
        """Whether it samples the Γ point only, so that small cells are wrong."""

    @property
    def min_length_angstrom(self) -> float | None:
        """Shortest periodic image that Γ alone describes well; used if ``gamma_only``."""

    @property
    def recoveries(self) -> Sequence[str]:
        """Names of other paths to the same result, tried in turn where one does not converge."""

    def elements(self) -> frozenset[int] | None:
        """Atomic numbers that it knows; None if that is not known beforehand."""

    def verify(self) -> None:
        """Find mistakes in the settings before anything runs.

        Raises
        ------
        InputError
            Saying which setting, and what is allowed.
        """

    def level_of_theory(self) -> LevelOfTheory:
        """What its labels depend on."""

    def make_calculator(self, structure: Atoms, recovery: str) -> Calculator:
        """A fresh calculator for one calculation, made where it is used.

        It may raise :class:`~potwright.quantum.label.CalculationError`, now or as it calculates,
        to say why there is no label; any other exception is classed by its name.

        Parameters
        ----------
        structure
            What will be calculated, with its true periodicity. (The calculator then sees a
            structure that is periodic along some axis as periodic along all.)
        recovery
            One of ``recoveries``, or empty: as the settings say. A recovery may change how the
            result is reached, never what the result is.
        """
