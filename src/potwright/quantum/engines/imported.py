"""A level of theory at which labels exist, but which nothing here can compute."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Literal

from ase.calculators.calculator import Calculator
from pydantic import Field, field_validator

from potwright.errors import InputError
from potwright.parameters import Parameters
from potwright.quantum.level_of_theory import LevelOfTheory


class ImportedEngine(Parameters):
    """Labels that were made elsewhere, by any program; more of them can only be imported.

    Attributes
    ----------
    name
        Of the program or of the data, beginning with a letter: ``VASP``.
    version
        Of the program. Its first two parts are part of the level of theory.
    settings
        What else the labels depend on, in words of your own: ``{functional: PBE, cutoff_ev: 520}``.
        Labels imported under other settings are at another level of theory.
    includes_dispersion
        Whether the labels contain dispersion, which must then not be added in dynamics.
    """

    gamma_only: ClassVar[bool] = False
    min_length_angstrom: ClassVar[float | None] = None
    recoveries: ClassVar[tuple[str, ...]] = ()

    type: Literal["imported"]
    name: str = Field(pattern=r"^[A-Za-z][\w .+-]*$")
    version: str = Field(default="unknown", min_length=1)
    settings: dict[str, Any] = Field(default_factory=dict)
    includes_dispersion: bool = False

    @field_validator("settings")
    @classmethod
    def _are_json(cls, settings: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(settings, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"only text, numbers, lists and blocks can be settings: {error}"
            ) from None
        return settings

    def elements(self) -> frozenset[int] | None:
        """Not known beforehand."""
        return None

    def verify(self) -> None:
        """Nothing is left to find: whether all labels are there, the label store knows."""

    def level_of_theory(self) -> LevelOfTheory:
        """Name, version and settings as they are given."""
        return LevelOfTheory(self.name, self.version, self.settings)

    def make_calculator(self, *_: Any) -> Calculator:
        """There is none.

        Raises
        ------
        InputError
            Saying what to do.
        """
        raise InputError(self.refusal())

    def refusal(self, structures: int | None = None) -> str:
        """Why nothing is computed, and what to do about it."""
        lack = "" if structures is None else f"{structures} structures have no label, and "
        return (
            f"{lack}labels at level {self.level_of_theory()} can only be imported (type: "
            "imported); label the structures elsewhere and bring them in by `kedro campaign labels "
            "import`, or name an engine that can compute"
        )
