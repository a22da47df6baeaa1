"""Parameters of the labelling stage."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from potwright.execution import ExecutorParameters, LocalExecutor
from potwright.parameters import Parameters
from potwright.quantum import EngineParameters, TBLiteEngine


class ScreeningParameters(Parameters):
    """What is not worth a calculation.

    Attributes
    ----------
    min_covalent_ratio
        Smallest distance of a pair, over the sum of its covalent radii.
    min_volume_ratio, max_volume_ratio
        Volume of a crystal over its parent's.
    max_atoms
        Largest structure; None: any.
    warn_fraction
        A warning is given where more than this fraction of an origin is dropped.
    """

    min_covalent_ratio: float = Field(default=0.45, ge=0)
    min_volume_ratio: float = Field(default=0.3, ge=0)
    max_volume_ratio: float = Field(default=5.0, gt=0)
    max_atoms: int | None = Field(default=None, ge=1)
    warn_fraction: float = Field(default=0.2, ge=0, le=1)

    @model_validator(mode="after")
    def _ratios_in_order(self) -> Self:
        if self.min_volume_ratio >= self.max_volume_ratio:
            raise ValueError("min_volume_ratio must be below max_volume_ratio")
        return self


class LabellingParameters(Parameters):
    """What labels, where it runs, and what is screened out before.

    Attributes
    ----------
    engine
        The quantum engine and its settings.
    executor
        Where calculations run.
    screening
        What is not worth a calculation.
    retry_failed
        Compute again what the label store says has failed.
    """

    engine: EngineParameters = TBLiteEngine()
    executor: ExecutorParameters = LocalExecutor()
    screening: ScreeningParameters = ScreeningParameters()
    retry_failed: bool = False
