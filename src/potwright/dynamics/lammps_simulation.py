"""Atoms and box in a running LAMMPS, and the forces that move them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

from potwright.dynamics.lammps_box import LammpsBox
from potwright.dynamics.lammps_library import require_pair_styles, start_lammps, tell
from potwright.dynamics.lammps_pairs import PairStyle, pair_commands

PICOSECOND = 1000 * units.fs
DRIVER, FORCES, VIRIAL = "driver", "forces_only", "virial_only"
MARGIN_ANGSTROM = 1.0  # around a structure without box
XX, YY, ZZ, XY, XZ, YZ = (0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)
LAMMPS_ORDER = (XX, YY, ZZ, XY, XZ, YZ)


def species(numbers: np.ndarray) -> dict[int, int]:
    """LAMMPS's atom type of each atomic number: by number, whatever the order of the atoms."""
    return {int(z): i for i, z in enumerate(np.unique(numbers), start=1)}


class Simulation:
    """A LAMMPS with the atoms of one structure, whose forces are of ASE's and LAMMPS's making.

    Parameters
    ----------
    atoms
        In the engine's frame: periodic in all directions or in none; momenta included.
    pbc
        Which of the directions are really periodic, shape (3,).
    calculator
        Of ASE, drives through ``fix external``; None where LAMMPS computes all.
    pair_styles
        What LAMMPS computes itself, in addition.
    reduced
        Whether the box is spanned by the shortest vectors of the lattice, or by its own.
    timestep_fs
        Of the motion.

    Attributes
    ----------
    wrapped
        Shape (N, 3): the whole boxes by which LAMMPS's atoms, its own wrapping undone, are not
        where they should be.
    """

    def __init__(
        self,
        atoms: Atoms,
        pbc: np.ndarray,
        calculator: Any | None,
        pair_styles: Sequence[PairStyle] = (),
        *,
        reduced: bool = True,
        timestep_fs: float = 1.0,
    ):
        self.box = LammpsBox.of(np.array(atoms.cell), pbc, reduced=reduced)
        self.periodic = bool(pbc.any())
        self.numbers = atoms.numbers.copy()
        self._driven = None if calculator is None else _Driven(calculator, self)
        self._pair_commands = pair_commands(pair_styles, atoms)
        self._timestep = timestep_fs / 1000
        self.program = start_lammps()
        require_pair_styles(self.program, [style.name for style in pair_styles])
        self._set_up(atoms)
        self._add_forces()

    # ------------------------------------------------------------------ set-up

    def _set_up(self, atoms: Atoms) -> None:
        boundary = "p p p" if self.periodic else "s s s"
        types = species(self.numbers)
        tell(
            self.program,
            "units metal",
            "atom_style atomic",
            "atom_modify map array sort 0 0.0",
            f"boundary {boundary}",
            f"region box prism {self._prism(atoms)} units box",
            f"create_box {len(types)} box",
            f"timestep {self._timestep!r}",
        )
        masses = dict(zip(atoms.numbers.tolist(), atoms.get_masses().tolist(), strict=True))
        tell(self.program, *(f"mass {i} {masses[z]!r}" for z, i in types.items()))
        positions = atoms.positions @ self.box.axes
        self.program.create_atoms(
            len(atoms),
            list(range(1, len(atoms) + 1)),
            [types[z] for z in self.numbers.tolist()],
            positions.ravel().tolist(),
            (atoms.get_velocities() @ self.box.axes * PICOSECOND).ravel().tolist(),
        )
        self._unwrap_to(positions)

    def _unwrap_to(self, positions: np.ndarray) -> None:
        """Find the whole boxes between ``positions``, in LAMMPS's frame, and its atoms."""
        self.wrapped = np.zeros_like(positions)
        if self.periodic:
            moved = positions - self._unwrapped()
            self.wrapped = np.rint(moved @ np.linalg.inv(self._vectors()))

    def _prism(self, atoms: Atoms) -> str:
        if not self.periodic:
            low = (atoms.positions.min(axis=0) - MARGIN_ANGSTROM).tolist()
            high = (atoms.positions.max(axis=0) + MARGIN_ANGSTROM).tolist()
            return "{!r} {!r} {!r} {!r} {!r} {!r} 0 0 0".format(
                *(side for pair in zip(low, high, strict=True) for side in pair)
            )
        h = self.box.enter(np.array(atoms.cell))
        return " ".join(
            repr(float(x)) for x in (0, h[0, 0], 0, h[1, 1], 0, h[2, 2], h[1, 0], h[2, 0], h[2, 1])
        )

    def _add_forces(self) -> None:
        tell(self.program, *self._pair_commands)
        if self._driven is not None:
            yes = "yes" if self.periodic else "no"
            tell(
                self.program,
                f"fix {DRIVER} all external pf/callback 1 1",
                f"fix_modify {DRIVER} energy yes virial {yes}",
            )
            self.program.set_fix_external_callback(DRIVER, self._driven, self.program)
        tell(
            self.program,
            # before a thermostat that acts by forces of its own
            f"fix {FORCES} all store/force",
            f"compute {VIRIAL} all pressure NULL virial",
            "thermo_modify norm no",
        )

    def tell(self, *commands: str) -> None:
        """Carry out commands of LAMMPS."""
        tell(self.program, *commands)

    # ------------------------------------------------------------------ motion

    def begin(self, *ramp: int) -> None:
        """Evaluate forces where the atoms are; anything that the calculator raises is raised."""
        within = "start {} stop {} ".format(*ramp) if ramp else ""
        self._run(f"run 0 {within}post no")

    def advance(self, begin: int, end: int) -> None:
        """One step, of a ramp from step ``begin`` to step ``end``."""
        self._run(f"run 1 pre no post no start {begin} stop {end}")

    def place(self, atoms: Atoms) -> None:
        """Put atoms and cell elsewhere, and evaluate forces there."""
        if self.periodic:
            self.box = self.box.turned_to(np.array(atoms.cell))
            h = self.box.enter(np.array(atoms.cell)).tolist()
            sides = " ".join(f"{name} final 0 {h[i][i]!r}" for i, name in enumerate("xyz"))
            tilts = f"xy final {h[1][0]!r} xz final {h[2][0]!r} yz final {h[2][1]!r}"
            tell(self.program, f"change_box all {sides} {tilts} units box")
        self.move(atoms.positions)
        self.begin()

    def move(self, positions: np.ndarray) -> None:
        """Put the atoms elsewhere in the same cell; forces are those of before."""
        positions = wrapped = positions @ self.box.axes
        if self.periodic:
            whole = np.floor(positions @ np.linalg.inv(self._vectors()))
            wrapped = positions - whole @ self._vectors()
        tags, count = self._tags(), len(self.numbers)
        corner = self.program.extract_box()[0] if self.periodic else 0.0
        self.program.numpy.extract_atom("x")[:count] = (wrapped + corner)[tags]
        self._unwrap_to(positions)

    def _run(self, command: str) -> None:
        try:
            tell(self.program, command)
        finally:
            if self._driven is not None:
                self._driven.raise_failure()

    # ------------------------------------------------------------------ state

    @property
    def bars(self) -> float:
        """Bars in 1 eV/Å³, by LAMMPS's own constants, which are a little old."""
        return float(self.program.extract_global("nktv2p"))

    @property
    def step(self) -> int:
        """LAMMPS's count of steps."""
        return int(self.program.extract_global("ntimestep"))

    def cell(self) -> np.ndarray:
        """The cell in the engine's frame; Å."""
        return self.box.leave(self._vectors())

    def positions(self) -> np.ndarray:
        """Positions in the engine's frame, where the atoms have come to; Å."""
        unwrapped = self._unwrapped()
        if self.periodic:
            unwrapped = unwrapped + self.wrapped @ self._vectors()
        return unwrapped @ self.box.axes.T

    def velocities(self) -> np.ndarray:
        """Velocities in the engine's frame, in ASE's unit."""
        return self._by_tag("v") @ self.box.axes.T / PICOSECOND

    def energy(self) -> float:
        """Of all that drives, eV."""
        return float(self.program.extract_compute("thermo_pe", 0, 0))

    def forces(self) -> np.ndarray:
        """Of all that drives, without a thermostat's own, in the engine's frame; eV/Å."""
        forces = self.program.numpy.extract_fix(FORCES, 1, 2)[: len(self.numbers)]
        return self._sorted(forces) @ self.box.axes.T

    def stress(self) -> np.ndarray:
        """Of all that drives, without the kinetic part, in the engine's frame and ASE's order."""
        pressure = np.array(self.program.extract_compute(VIRIAL, 0, 1)[:6]) / self.bars
        tensor = np.empty((3, 3))
        for value, (i, j) in zip(pressure, LAMMPS_ORDER, strict=True):
            tensor[i, j] = tensor[j, i] = -value
        return full_3x3_to_voigt_6_stress(self.box.stress_out(tensor))

    def write_restart(self, file: Path) -> None:
        """Write all that LAMMPS needs to go on."""
        tell(self.program, f"write_restart {file}")

    def read_restart(self, file: Path) -> None:
        """Take atoms, box, step and baths from ``file``; then give the fixes again."""
        tell(self.program, "clear", f"read_restart {file}", f"timestep {self._timestep!r}")
        self._add_forces()

    def conserved_energy(self) -> float:
        """Potential and kinetic energy, and what thermostat and barostat have taken; eV."""
        return float(self.program.get_thermo("econserve"))

    def close(self) -> None:
        """End LAMMPS."""
        self.program.close()

    def _tags(self) -> np.ndarray:
        """Index of the atom at each of LAMMPS's places."""
        return self.program.numpy.extract_atom("id")[: len(self.numbers)] - 1

    def _by_tag(self, name: str) -> np.ndarray:
        return self._sorted(self.program.numpy.extract_atom(name)[: len(self.numbers)])

    def _sorted(self, values: np.ndarray) -> np.ndarray:
        ordered = np.empty_like(values)
        ordered[self._tags()] = values
        return ordered

    def _vectors(self) -> np.ndarray:
        low, high, xy, yz, xz, *_ = self.program.extract_box()
        x, y, z = np.subtract(high, low)
        return np.array([[x, 0, 0], [xy, y, 0], [xz, yz, z]])

    def _unwrapped(self) -> np.ndarray:
        """Positions from the corner of the box, in LAMMPS's frame, undoing LAMMPS's wrapping."""
        positions = self._by_tag("x")
        if not self.periodic:
            return positions
        images = self._by_tag("image").astype(np.int64)
        boxes = np.stack([(images >> shift & 1023) - 512 for shift in (0, 10, 20)], axis=1)
        return positions - self.program.extract_box()[0] + boxes @ self._vectors()


class _Driven:
    """What LAMMPS calls for forces: an ASE calculator, in the engine's frame.

    An exception cannot pass through LAMMPS; it is kept, and raised when LAMMPS has returned.
    """

    def __init__(self, calculator: Any, simulation: Simulation):
        self.calculator = calculator
        self.simulation = simulation
        self.failure: BaseException | None = None

    def __call__(self, *given: Any) -> None:
        """Fill the last argument, the forces, in the order of the last but two, the tags."""
        *_, tags, _, f = given
        f[:] = 0
        try:
            f[:] = self._evaluate()[tags - 1]
        except BaseException as error:  # noqa: BLE001 - raised by raise_failure
            self.failure = error

    def raise_failure(self) -> None:
        """What the calculator has raised, if anything."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    def _evaluate(self) -> np.ndarray:
        simulation = self.simulation
        atoms = Atoms(simulation.numbers, simulation.positions(), pbc=simulation.periodic)
        if simulation.periodic:
            atoms.cell = simulation.cell()
        atoms.calc = self.calculator
        forces = atoms.get_forces()
        known = self.calculator.results  # most calculators have all by now; asking again costs
        energy = known["energy"] if "energy" in known else atoms.get_potential_energy()
        stress = np.zeros(6)
        if simulation.periodic:
            stress = known["stress"] if "stress" in known else atoms.get_stress()
        for name, value in (("energy", energy), ("forces", forces), ("stress", stress)):
            if not np.isfinite(value).all():  # LAMMPS would end with words of its own
                raise FloatingPointError(f"not a number: {name}")
        simulation.program.fix_external_set_energy_global(DRIVER, energy)
        if simulation.periodic:
            virial = (
                -simulation.box.stress_in(voigt_6_to_full_3x3_stress(stress)) * atoms.get_volume()
            )
            simulation.program.fix_external_set_virial_global(
                DRIVER, [virial[place] for place in LAMMPS_ORDER]
            )
        return forces @ simulation.box.axes
