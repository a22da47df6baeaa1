"""Parameters of the exploration stage; defaults are the paper's unless said."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from potwright.dynamics import (
    AseEngine,
    Collision,
    Evaporation,
    FiniteNumbers,
    MDEngineParameters,
    Schedule,
    Temperature,
    Volume,
    Watch,
)
from potwright.execution import ExecutorParameters, LocalExecutor
from potwright.parameters import Parameters

FS_PER_PS = 1000.0


class SpaceFillingDesign(Parameters):
    """Each start gets one point of a Latin hypercube over two ranges.

    Attributes
    ----------
    temperature_range_kelvin, pressure_range_kbar
        Lowest and highest value.
    """

    type: Literal["space_filling"] = "space_filling"
    temperature_range_kelvin: tuple[float, float] = (0.0, 1000.0)
    pressure_range_kbar: tuple[float, float] = (-5.0, 5.0)

    @model_validator(mode="after")
    def _ranges_in_order(self) -> Self:
        low, high = self.temperature_range_kelvin
        if not 0 <= low <= high:
            raise ValueError("temperature_range_kelvin is [lowest, highest], from 0 K upwards")
        if self.pressure_range_kbar[0] > self.pressure_range_kbar[1]:
            raise ValueError("pressure_range_kbar is [lowest, highest]")
        return self


class ListDesign(Parameters):
    """Every combination of the values given; the starts take them in turn.

    Attributes
    ----------
    temperatures_kelvin, pressures_kbar
        At least one value each.
    """

    type: Literal["list"] = "list"
    temperatures_kelvin: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=1)
    pressures_kbar: tuple[float, ...] = Field(default=(0.0,), min_length=1)


DesignParameters = Annotated[SpaceFillingDesign | ListDesign, Field(discriminator="type")]


class WatchParameters(Parameters):
    """What stops a trajectory; a limit of null is not watched. Values are Potwright's own.

    Attributes
    ----------
    max_temperature_factor, temperature_floor_kelvin
        The kinetic temperature may reach factor × target + floor.
    min_covalent_ratio
        Closest pair, over the sum of its covalent radii.
    min_volume_ratio, max_volume_ratio
        Volume of a periodic cell over the start's.
    max_neighbour_ratio
        How far an atom may be from its nearest neighbour, over the sum of their covalent radii.
    """

    max_temperature_factor: float | None = Field(default=5.0, gt=0)
    temperature_floor_kelvin: float = Field(default=10_000.0, ge=0)
    min_covalent_ratio: float | None = Field(default=0.45, gt=0)
    min_volume_ratio: float = Field(default=0.3, ge=0)
    max_volume_ratio: float = Field(default=5.0, gt=1)
    max_neighbour_ratio: float | None = Field(default=3.0, gt=1)

    def watches(self) -> tuple[Watch, ...]:
        """The watches that these parameters ask for; cheap ones first."""
        watches: list[Watch] = [FiniteNumbers()]
        if self.max_temperature_factor is not None:
            watches.append(Temperature(self.max_temperature_factor, self.temperature_floor_kelvin))
        watches.append(Volume(self.min_volume_ratio, self.max_volume_ratio))
        if self.min_covalent_ratio is not None:
            watches.append(Collision(self.min_covalent_ratio))
        if self.max_neighbour_ratio is not None:
            watches.append(Evaporation(self.max_neighbour_ratio))
        return tuple(watches)


class ExplorationParameters(Parameters):
    """The whole stage.

    Attributes
    ----------
    n_starts
        Trajectories per iteration.
    timestep_fs
        Time step.
    duration_ps
        Length of the part that frames are taken from.
    frame_interval_ps
        Time between frames.
    thermalisation_ps
        What runs before, without frames.
    design
        Temperatures and pressures.
    engine
        What integrates the equations of motion.
    watch
        What stops a trajectory.
    executor
        Where trajectories run.
    device
        For the driving potential.
    """

    n_starts: int = Field(default=20, ge=1)
    timestep_fs: float = Field(default=1.0, gt=0)
    duration_ps: float = Field(default=10_000.0, gt=0)
    frame_interval_ps: float = Field(default=1000.0, gt=0)
    thermalisation_ps: float = Field(default=0.0, ge=0)
    design: DesignParameters = SpaceFillingDesign()
    engine: MDEngineParameters = AseEngine()
    watch: WatchParameters = WatchParameters()
    executor: ExecutorParameters = LocalExecutor()
    device: str = "auto"

    @model_validator(mode="after")
    def _schedule_is_possible(self) -> Self:
        self.schedule()
        return self

    def schedule(self) -> Schedule:
        """Steps and frames of each trajectory."""
        return Schedule(
            timestep_fs=self.timestep_fs,
            duration_fs=self.duration_ps * FS_PER_PS,
            frame_interval_fs=self.frame_interval_ps * FS_PER_PS,
            thermalisation_fs=self.thermalisation_ps * FS_PER_PS,
        )
