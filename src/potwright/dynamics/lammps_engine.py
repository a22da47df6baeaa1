"""Molecular dynamics by LAMMPS: for any potential, one structure at a time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from ase import Atoms

from potwright.dynamics import lammps_ensembles
from potwright.dynamics.dispersion import Dispersion, parts_of
from potwright.dynamics.engine import Conditions, Driver, Schedule, Trajectory
from potwright.dynamics.lammps_calculators import LammpsCalculator
from potwright.dynamics.lammps_library import probe_lammps, require_lammps
from potwright.dynamics.lammps_motion import LammpsMotion
from potwright.dynamics.lammps_native import NativePotential
from potwright.dynamics.lammps_simulation import Simulation, species
from potwright.dynamics.metadynamics import explained
from potwright.dynamics.motion import Motion
from potwright.dynamics.moves import Moves
from potwright.dynamics.recording import Recording
from potwright.dynamics.running import Assignment, EngineParameters, Setting, run
from potwright.dynamics.watching import Watch
from potwright.errors import InputError

CARBON = 6  # any element that all dispersion knows


class LammpsEngine(EngineParameters):
    """LAMMPS's integrators, by the structure's real periodicity.

    NPT with the barostat on the periodic directions (Martyna–Tobias–Klein, ``fix npt``), NVT by
    stochastic velocity rescaling (``fix temp/csvr``) or Langevin dynamics, NVE by velocity Verlet;
    at 0 K FIRE moves the atoms, and LAMMPS says the forces.

    Attributes
    ----------
    native
        Pair styles that compute the potential inside LAMMPS. By default it drives from outside,
        through ``fix external``: any potential in any build of LAMMPS.

    See Also
    --------
    AseEngine
        The same physics, with nothing to install.
    """

    type: Literal["lammps"] = "lammps"
    native: NativePotential | None = None

    def verify(self, moves: Moves | None = None, dispersion: Dispersion | None = None) -> None:
        """Refuse, if LAMMPS does not start here, or lacks a package that will be needed."""
        styles = [] if self.native is None else [self.native.name]
        added = None if dispersion is None else dispersion.pair_style([CARBON])
        if added is not None:
            styles.append(added.name)
        probe_lammps(styles, colvars=moves is not None and moves.metadynamics.enabled)

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
            If LAMMPS is not installed, or the ensemble, the conditions and the start do not go
            together.
        Exception
            Whatever the calculator raises on ``start`` itself: that is a broken set-up. What it
            raises later ends the trajectory and is its reason.
        """
        require_lammps()
        with ExitStack() as at_the_end:

            def motion_in(setting: Setting) -> Motion:
                simulation = self._simulation(setting, potential, device)
                at_the_end.callback(simulation.close)
                folder = Path(at_the_end.enter_context(TemporaryDirectory()))
                return self._motion(setting, simulation, folder)

            return run(
                Assignment(
                    start,
                    conditions,
                    schedule,
                    seed,
                    moves or Moves(),
                    watches,
                    self,
                    checkpoint,
                    checkpoint_interval_steps,
                ),
                motion_in,
            )

    def _simulation(self, setting: Setting, potential: Driver, device: str) -> Simulation:
        """The start in LAMMPS, with all that drives it."""
        recording = setting.recording
        if setting.strain == "orthorhombic":
            _refuse_skewed(recording)
        # always from the start: a box that a checkpoint brings is that of the start, strained
        atoms = recording.start.copy()
        atoms.set_momenta(setting.atoms.get_momenta())
        alone, dispersion = parts_of(potential)
        numbers = list(species(atoms.numbers))
        styles = [] if self.native is None else [self.native.pair_style_for(numbers, alone)]
        added = dispersion.pair_style(numbers)
        if added is not None:
            styles.append(added)
        return Simulation(
            atoms,
            recording.frame.pbc,
            alone.calculator(device=device) if self.native is None else None,
            styles,
            reduced=setting.strain != "orthorhombic",
            timestep_fs=recording.schedule.timestep_fs,
        )

    def _motion(self, setting: Setting, simulation: Simulation, folder: Path) -> Motion:
        atoms, recording = setting.atoms, setting.recording
        if setting.is_downhill:
            from potwright.dynamics import hopping  # ase.md, and with it much of scipy

            atoms.calc = LammpsCalculator(simulation)
            atoms.get_forces()
            return hopping.downhill(setting, self.relaxation_force_ev_per_angstrom)
        fixes = lammps_ensembles.fixes(
            setting.ensemble,
            setting.strain,
            recording.frame.periodic_directions,
            missing=3 * len(atoms) - setting.freedom,
            bath=lammps_ensembles.Bath(
                recording.conditions,
                self.thermostat_time_fs,
                self.barostat_time_fs,
                simulation.bars,
            ),
            # noise that has been used is not used again after a kill
            seed=int(setting.rng.integers(2**31)) + recording.step,
        )
        metadynamics = setting.moves.metadynamics
        if not metadynamics.enabled:
            return LammpsMotion(atoms, simulation, fixes, recording.schedule)
        bath = lammps_ensembles.bath_of(setting.ensemble)
        fixes.append(metadynamics.fix(simulation.program, atoms.numbers, folder, bath))
        with explained(simulation, folder):
            return LammpsMotion(atoms, simulation, fixes, recording.schedule)


def _refuse_skewed(recording: Recording) -> None:
    if lammps_ensembles.is_skewed(np.array(recording.start.cell)[recording.frame.pbc]):
        raise InputError(
            "ensemble npt_orthorhombic in LAMMPS needs lattice vectors at right angles; use "
            "npt_isotropic, auto, or the engine ase"
        )
