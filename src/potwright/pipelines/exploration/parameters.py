"""Parameters of the exploration stage; defaults are the paper's unless said."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from potwright.dynamics import (
    AseEngine,
    Collision,
    DispersionParameters,
    Evaporation,
    FiniteNumbers,
    MDEngineParameters,
    Metadynamics,
    MethodParameters,
    Moves,
    NoDispersion,
    OnlyDynamics,
    Schedule,
    Swaps,
    Temperature,
    Volume,
    Watch,
)
from potwright.errors import InputError
from potwright.execution import ExecutorParameters, LocalExecutor
from potwright.parameters import Device, Parameters
from potwright.pes import PESData
from potwright.pipelines.exploration import fitting
from potwright.pipelines.exploration.design import (
    DesignParameters,
    SpaceFillingDesign,
    asks_for_pressure,
)
from potwright.pipelines.exploration.moving import refuse_impossible
from potwright.pipelines.exploration.starts import Listed, ids_of_listed

FS_PER_PS = 1000.0


class DisagreementParameters(Parameters):
    """When a trajectory has come to what the committee does not know.

    Attributes
    ----------
    enabled
        Whether all members look at all.
    every_steps
        Steps between looks.
    action
        The first structure above a ceiling is kept; then the trajectory stops, or continues.
    times_threshold
        A ceiling that is not given is this multiple of the threshold of the last calibration.
    energy_mev_per_atom, forces_mev_per_angstrom, stress_mev_per_angstrom3
        Ceilings; None: as above.
    """

    enabled: bool = False
    every_steps: int = Field(default=50, ge=1)
    action: Literal["stop", "continue"] = "stop"
    times_threshold: float = Field(default=3.0, gt=0)
    energy_mev_per_atom: float | None = Field(default=None, gt=0)
    forces_mev_per_angstrom: float | None = Field(default=None, gt=0)
    stress_mev_per_angstrom3: float | None = Field(default=None, gt=0)

    def by_property(self) -> dict[str, float | None]:
        """The ceilings of ``energy``, ``forces`` and ``stress``, in their milli-units."""
        return {
            "energy": self.energy_mev_per_atom,
            "forces": self.forces_mev_per_angstrom,
            "stress": self.stress_mev_per_angstrom3,
        }


class BiasParameters(Parameters):
    """Dynamics that is drawn to where the committee disagrees; see :mod:`potwright.dynamics.bias`.

    Attributes
    ----------
    enabled
        Whether it is; each step then evaluates all members.
    depth_mev_per_atom
        How much energy can be gained.
    scale_mev_per_atom
        The disagreement of energies that the pull is largest for; None: the threshold of the last
        calibration.
    largest_force_ev_per_angstrom
        Of the bias, on an atom.
    """

    enabled: bool = False
    depth_mev_per_atom: float = Field(default=50.0, gt=0)
    scale_mev_per_atom: float | None = Field(default=None, gt=0)
    largest_force_ev_per_angstrom: float = Field(default=1.0, gt=0)


class WatchParameters(Parameters):
    """What stops a trajectory; a limit of None is not watched. Values are Potwright's own.

    Numbers that are not finite always stop it.

    Attributes
    ----------
    max_temperature_factor, temperature_floor_kelvin
        The kinetic temperature may reach factor × target + floor; without factor it is not watched.
    min_covalent_ratio
        Closest pair, over the sum of its covalent radii.
    min_volume_ratio, max_volume_ratio
        Volume of a periodic cell over the start's.
    max_neighbour_ratio
        How far an atom may be from its nearest neighbour, over the sum of their covalent radii.
    disagreement
        Of the committee.
    """

    max_temperature_factor: float | None = Field(default=5.0, gt=0)
    temperature_floor_kelvin: float = Field(default=10_000.0, ge=0)
    min_covalent_ratio: float | None = Field(default=0.45, gt=0)
    min_volume_ratio: float | None = Field(default=0.3, ge=0, lt=1)
    max_volume_ratio: float | None = Field(default=5.0, gt=1)
    max_neighbour_ratio: float | None = Field(default=3.0, gt=1)
    disagreement: DisagreementParameters = DisagreementParameters()

    def watches(self) -> tuple[Watch, ...]:
        """The watches that need no committee; cheap ones first."""
        watches: list[Watch] = [FiniteNumbers()]
        if self.max_temperature_factor is not None:
            watches.append(Temperature(self.max_temperature_factor, self.temperature_floor_kelvin))
        if (self.min_volume_ratio, self.max_volume_ratio) != (None, None):
            largest = np.inf if self.max_volume_ratio is None else self.max_volume_ratio
            watches.append(Volume(self.min_volume_ratio or 0.0, largest))
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
        Structures that start trajectories, per iteration.
    starts
        Those, listed: by number in the augmented set, or by (the beginning of) the id; None: drawn.
    timestep_fs
        Time step.
    duration_ps
        Length of the part that frames are taken from.
    frame_interval_ps
        Time between frames.
    thermalisation_ps
        What runs before, without frames but those that disagreement, or a search, finds.
    method
        Dynamics, or a search from minimum to minimum.
    design
        Temperatures and pressures.
    engine
        What integrates the equations of motion.
    dispersion
        Added to the driving potential, which must not have learnt it.
    bias
        What draws trajectories to where the committee disagrees.
    swaps
        Exchanges of unlike atoms, for alloys.
    metadynamics
        Hills in collective variables, in LAMMPS.
    watch
        What stops a trajectory.
    executor
        Where trajectories run.
    device
        For the driving potential.
    trajectories_together
        How many share a process, and their evaluations of the potential.
    checkpoint_interval_steps
        How many steps a killed trajectory loses at most.
    """

    n_starts: int = Field(default=20, ge=1)
    starts: tuple[Listed, ...] | None = Field(default=None, min_length=1)
    timestep_fs: float = Field(default=1.0, gt=0)
    duration_ps: float = Field(default=10_000.0, gt=0)
    frame_interval_ps: float = Field(default=1000.0, gt=0)
    thermalisation_ps: float = Field(default=0.0, ge=0)
    method: MethodParameters = OnlyDynamics()
    design: DesignParameters = SpaceFillingDesign()
    engine: MDEngineParameters = AseEngine()
    dispersion: DispersionParameters = NoDispersion()
    bias: BiasParameters = BiasParameters()
    swaps: Swaps = Swaps()
    metadynamics: Metadynamics = Metadynamics()
    watch: WatchParameters = WatchParameters()
    executor: ExecutorParameters = LocalExecutor()
    device: Device = "auto"
    trajectories_together: int = Field(default=1, ge=1)
    checkpoint_interval_steps: int = Field(default=1000, ge=1)

    @field_validator("method", mode="before")
    @classmethod
    def _dynamics_by_default(cls, method: Any) -> Any:
        return {"type": "dynamics", **method} if isinstance(method, dict) else method

    @field_validator("engine", mode="before")
    @classmethod
    def _ase_by_default(cls, engine: Any) -> Any:
        return {"type": "ase", **engine} if isinstance(engine, dict) else engine

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        self.schedule()
        if self.engine.type == "lammps" and self.engine.native and self.bias.enabled:
            raise ValueError(
                "engine.native computes the potential inside LAMMPS, where no bias is; take out "
                "native, so that the potential drives from outside, or set bias.enabled to false"
            )
        points, ensemble = self.design.points(), self.engine.ensemble
        if ensemble in ("nvt", "langevin", "nve") and any(map(asks_for_pressure, points)):
            raise ValueError(
                f"design asks for a pressure, but nothing holds one in ensemble {ensemble}; take "
                "the pressures out, or use auto or npt_…"
            )
        if self.trajectories_together > 1 and self.engine.type == "lammps":
            raise ValueError(
                f"trajectories_together = {self.trajectories_together}: LAMMPS runs one at a time "
                "in a process; take 1, or engine.type ase"
            )
        refuse_impossible(self.moves(), self.engine, points)
        if ensemble == "nve" and any(point.is_ramp for point in points):
            raise ValueError(
                "design asks for a ramp, but nothing is held in ensemble nve; use nvt, langevin or "
                "auto"
            )
        return self

    def verify(self) -> None:
        """Find out whether all that runs trajectories is installed.

        Raises
        ------
        InputError
            Saying what is missing, and how to install it.
        """
        self.engine.verify(self.moves(), self.dispersion)

    def fit_starts(self, possible: PESData) -> PESData:
        """Those of the structures that can be run in the ensemble.

        Raises
        ------
        InputError
            If there is none, or one that is listed cannot; if dispersion has no parameters for
            an element.
        """
        self.dispersion.verify(possible.species)
        periodic = np.asarray(possible.pbc.any(axis=1))
        if not periodic.any():
            self.refuse_pressure()
        return fitting.fit(possible, self.engine, self.starts)

    def refuse_augmented(self, augmented: PESData) -> None:
        """Find that an augmented set cannot give the starts, before it is labelled.

        Raises
        ------
        InputError
            If a number in ``starts`` is out of range; if what is listed there, or all that there
            is, cannot be run in the ensemble; if a pressure is asked for where no structure has a
            periodic axis; if dispersion has no parameters for an element.
        """
        self.dispersion.verify(augmented.species)
        numbers = [name for name in self.starts or () if isinstance(name, int)]
        ids_of_listed(numbers, augmented)
        if len(augmented) and not augmented.pbc.any():
            self.refuse_pressure()
        if self.starts is not None:
            fitting.refuse_listed(self.starts, augmented, self.engine)
        else:
            fitting.refuse_misfits(augmented, self.engine)

    def refuse_pressure(self) -> None:
        """Find that somebody asks for a pressure, where nothing is periodic.

        Raises
        ------
        InputError
            Naming the key.
        """
        ensemble, way_out = self.engine.ensemble, "set their pbc, or ask for no pressure"
        if ensemble.startswith("npt"):
            raise InputError(
                f"exploration.engine.ensemble = {ensemble!r}: no structure to start from has a "
                f"periodic axis, along which a pressure could act; {way_out}: auto is NVT there"
            )
        if any(map(asks_for_pressure, self.design.points())):
            raise InputError(
                "exploration.design: a pressure is asked for, but no structure to start from has a "
                f"periodic axis, along which it could act; {way_out}"
            )

    def moves(self) -> Moves:
        """What takes structures elsewhere beside the engine."""
        return Moves(method=self.method, swaps=self.swaps, metadynamics=self.metadynamics)

    def schedule(self) -> Schedule:
        """Steps and frames of each trajectory."""
        return Schedule(
            timestep_fs=self.timestep_fs,
            duration_fs=self.duration_ps * FS_PER_PS,
            frame_interval_fs=self.frame_interval_ps * FS_PER_PS,
            thermalisation_fs=self.thermalisation_ps * FS_PER_PS,
        )
