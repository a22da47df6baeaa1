"""Molecular dynamics by ASE: for any potential, one structure at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from ase import Atoms, units

from potwright.dynamics.dispersion import Dispersion
from potwright.dynamics.engine import Conditions, Driver, Schedule, Trajectory
from potwright.dynamics.motion import Motion
from potwright.dynamics.moves import Moves
from potwright.dynamics.running import Assignment, EngineParameters, Setting, run
from potwright.dynamics.watching import Watch
from potwright.errors import InputError


class AseEngine(EngineParameters):
    """ASE's integrators, by the structure's real periodicity.

    NPT with the barostat on the periodic directions (Martyna–Tobias–Klein), NVT by stochastic
    velocity rescaling or Langevin dynamics, NVE by velocity Verlet; at 0 K FIRE.

    Examples
    --------
    >>> from ase.build import bulk
    >>> engine = AseEngine()
    >>> engine.run_trajectory(  # doctest: +SKIP
    ...     bulk("C") * 4, potential, Conditions(300, 0), Schedule(1, 1000, 100), seed=1
    ... )
    """

    type: Literal["ase"] = "ase"

    def verify(self, moves: Moves | None = None, dispersion: Dispersion | None = None) -> None:
        """Nothing is needed but ASE, and what dispersion's calculator needs."""
        if dispersion is not None:
            dispersion.calculator()

    def run_trajectory(
        self,
        start: Atoms,
        potential: Driver,
        conditions: Conditions,
        schedule: Schedule,
        *,
        seed: int,
        moves: Moves | None = None,
        watches: Sequence[Watch] = (),
        device: str = "auto",
        checkpoint: Path | None = None,
        checkpoint_interval_steps: int = 1000,
    ) -> Trajectory:
        """Run one trajectory, or what is left of it; see :class:`~potwright.dynamics.MDEngine`.

        Raises
        ------
        InputError
            If the ensemble, the conditions and the start do not go together, or metadynamics is
            asked for.
        Exception
            Whatever the calculator raises on ``start`` itself: that is a broken set-up. What it
            raises later ends the trajectory and is its reason.
        """
        moves = moves or Moves()
        if moves.metadynamics.enabled:
            raise InputError(
                "exploration.metadynamics: it is Colvars that does it, inside LAMMPS; set "
                "exploration.engine.type to lammps"
            )

        def motion_in(setting: Setting) -> Motion:
            setting.atoms.calc = potential.calculator(device=device)
            setting.atoms.get_forces()
            return self._motion(setting)

        return run(
            Assignment(
                start,
                conditions,
                schedule,
                seed,
                moves,
                watches,
                self,
                checkpoint,
                checkpoint_interval_steps,
            ),
            motion_in,
        )

    def _motion(self, setting: Setting) -> Motion:
        """The equations of motion, aiming at what belongs to the step that has been reached."""
        # ase.md, and with it much of scipy
        from potwright.dynamics import hopping, integrators
        from potwright.dynamics.barostat import ConfinedMTKNPT, Strains

        atoms, recording = setting.atoms, setting.recording
        conditions = recording.conditions.at(recording.schedule.progress(recording.step))
        timestep = recording.schedule.timestep_fs * units.fs
        thermostat_time = self.thermostat_time_fs * units.fs
        if setting.is_downhill:
            return hopping.downhill(setting, self.relaxation_force_ev_per_angstrom)
        strains = Strains.of(
            setting.strain, recording.frame.periodic_directions, np.array(recording.start.cell)
        )
        if setting.ensemble == "nve":
            return integrators.ConstantEnergy(atoms, timestep)
        if strains is not None:
            return integrators.ConstantPressure(
                ConfinedMTKNPT(
                    atoms,
                    strains=strains,
                    conditions=conditions,
                    timestep=timestep,
                    thermostat_time=thermostat_time,
                    barostat_time=self.barostat_time_fs * units.fs,
                )
            )
        constant_volume = (
            integrators.FrictionAndNoise
            if setting.ensemble == "langevin"
            else integrators.VelocityRescaling
        )
        return constant_volume(
            atoms, conditions, timestep=timestep, thermostat_time=thermostat_time, rng=setting.rng
        )
