"""Parameters of the validation stage."""

from __future__ import annotations

import difflib
from typing import Self

from pydantic import Field, field_validator, model_validator

from potwright.dynamics import DispersionParameters, NoDispersion
from potwright.execution import ExecutorParameters, LocalExecutor
from potwright.parameters import Device, Parameters
from potwright.pipelines.validation.parameters_crystals import (
    DefectParameters,
    ElasticParameters,
    EquationOfStateParameters,
    GeneralisationParameters,
    InterlayerParameters,
    PhononParameters,
)
from potwright.pipelines.validation.parameters_disorder import (
    AlloyParameters,
    MeltQuenchParameters,
)
from potwright.pipelines.validation.prototypes import Prototype
from potwright.pipelines.validation.surfaces import REFERENCE
from potwright.quantum import EngineParameters

TESTS_OF_PROTOTYPES = ("equation_of_state", "elastic", "phonons", "defects", "interlayer", "alloys")


class PotentialParameters(Parameters):
    """A potential that is tested.

    Attributes
    ----------
    path
        A committee's folder, a folder of model files, or a pattern that names them; None: the
        campaign's committee.
    includes_dispersion
        Whether it has learnt dispersion, so that none is added to it.
    """

    path: str | None = None
    includes_dispersion: bool = False


class ValidationParameters(Parameters):
    """What is tested, against what, and where it computes.

    Attributes
    ----------
    potentials
        By name, a column each.
    reference
        The engine; None: that of ``labelling.engine``.
    dispersion
        Added in tests that say so, to the potentials and the reference alike.
    members
        Whether each member is carried through every test, beside the committee mean.
    prototypes
        Structures by name.
    equation_of_state, elastic, phonons, defects, interlayer, generalisation, melt_quench, alloys
        The tests.
    executor, device
        Where labels and potentials compute.
    """

    potentials: dict[str, PotentialParameters] = Field(
        default_factory=lambda: {"committee": PotentialParameters()}
    )
    reference: EngineParameters | None = None
    dispersion: DispersionParameters = NoDispersion()
    members: bool = True
    prototypes: dict[str, Prototype] = Field(default_factory=dict)
    equation_of_state: EquationOfStateParameters = EquationOfStateParameters()
    elastic: ElasticParameters = ElasticParameters()
    phonons: PhononParameters = PhononParameters()
    defects: DefectParameters = DefectParameters()
    interlayer: InterlayerParameters = InterlayerParameters()
    generalisation: GeneralisationParameters = GeneralisationParameters()
    melt_quench: MeltQuenchParameters = MeltQuenchParameters()
    alloys: AlloyParameters = AlloyParameters()
    executor: ExecutorParameters = LocalExecutor()
    device: Device = "auto"

    @field_validator("potentials")
    @classmethod
    def _are_columns(
        cls, potentials: dict[str, PotentialParameters]
    ) -> dict[str, PotentialParameters]:
        if not potentials:
            raise ValueError("name what is tested, such as {committee: {path: null}}")
        if REFERENCE.potential in potentials:
            raise ValueError(f"{REFERENCE.potential!r} is what the engine is called")
        return potentials

    @model_validator(mode="after")
    def _tests_name_prototypes(self) -> Self:
        for test in TESTS_OF_PROTOTYPES:
            asked = getattr(self, test)
            if asked.enabled and not asked.prototypes:
                key = "hosts" if test == "defects" else "prototypes"
                raise ValueError(
                    f"{test}.{key}: there are none; name some of validation.prototypes, or set "
                    "enabled: false"
                )
            for name in asked.prototypes:
                if name not in self.prototypes:
                    nearest = difflib.get_close_matches(name, self.prototypes, n=1, cutoff=0.4)
                    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
                    known = ", ".join(sorted(self.prototypes)) or "none"
                    raise ValueError(
                        f"{test}.prototypes: {name!r} is not one of validation.prototypes{hint} "
                        f"(there are {known})"
                    )
        return self
