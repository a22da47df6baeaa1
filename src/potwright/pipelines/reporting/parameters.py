"""Parameters of the reporting pipeline."""

from __future__ import annotations

from pydantic import Field

from potwright.execution import ExecutorParameters, LocalExecutor
from potwright.parameters import Parameters


class MapParameters(Parameters):
    """A map of the data by one kind of descriptor."""

    enabled: bool = True
    max_structures: int = Field(default=400, ge=2)


class SorepMapParameters(MapParameters):
    """A map by the kinetic SOREP, which costs up to a second a structure."""

    max_structures: int = Field(default=200, ge=2)
    executor: ExecutorParameters = LocalExecutor()


class ReportingParameters(Parameters):
    """What is drawn, and of how much."""

    enabled: bool = True
    max_points: int = Field(default=1000, ge=10)
    descriptor_map: MapParameters = MapParameters()
    sorep_map: SorepMapParameters = SorepMapParameters()
