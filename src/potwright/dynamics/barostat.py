"""Which strains a barostat may make, and Martyna–Tobias–Klein dynamics confined to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.filters import FrechetCellFilter
from ase.md.nose_hoover_chain import MTKNPT, MTKBarostat, NoseHooverChainThermostat

from potwright.dynamics.engine import KBAR, Conditions, Strain
from potwright.dynamics.momenta import COLDEST_THERMOSTAT_KELVIN, degrees_of_freedom

COLDEST_BAROSTAT_KELVIN = 100.0


@dataclass(frozen=True, eq=False)
class Strains:
    """A linear space of symmetric tensors: the strains that a cell may undergo.

    Attributes
    ----------
    kind
        ``isotropic``, ``orthorhombic`` or ``full``.
    directions
        How many directions are periodic; they are the first Cartesian axes.
    axes
        Shape (3, 3), columns: what ``orthorhombic`` strains stretch.
    """

    kind: Strain
    directions: int
    axes: np.ndarray

    @classmethod
    def of(cls, kind: Strain, directions: int, cell: np.ndarray) -> Strains | None:
        """For a ``cell`` (3, 3) as the engine has it; None where it is fixed.

        Axes are the first lattice vector, the perpendicular to it in the plane of the first two,
        and the perpendicular to both; no such strain ever turns them.
        """
        if kind == "none":
            return None
        axes = np.linalg.qr(cell.T)[0] if directions == 3 else np.eye(3)
        return cls(kind, directions, axes)

    def __len__(self) -> int:
        """Dimension of the space."""
        full = self.directions * (self.directions + 1) // 2
        return {"isotropic": 1, "orthorhombic": self.directions}.get(self.kind, full)

    def project(self, tensor: np.ndarray) -> np.ndarray:
        """The part of a symmetric tensor, shape (3, 3), that lies in the space."""
        d = self.directions
        within = np.zeros((3, 3))
        if self.kind == "full":
            within[:d, :d] = tensor[:d, :d]
            return within
        diagonal = np.diag(self.axes.T @ tensor @ self.axes)[:d]
        if self.kind == "isotropic":
            diagonal = np.full(d, diagonal.mean())
        return (self.axes[:, :d] * diagonal) @ self.axes[:, :d].T


class ConfinedMTKNPT(MTKNPT):
    """ASE's Martyna–Tobias–Klein dynamics with strain confined to a linear space.

    The cell momentum is projected on ``strains``: one axis of a wire, a plane with its shear, or
    all of space. (ASE's ``MaskedMTKNPT`` strains along the lattice vectors instead; for a hexagonal
    sheet no such strain keeps the symmetry.) The thermostat holds the kinetic energy of the degrees
    of freedom that exist, and the barostat counts the independent components of the strain.

    In a cell with vacuum the barostat balances stress times the volume of that cell: the target is
    a force per length of pressure × thickness of the cell. At zero pressure the vacuum's size
    does not matter.
    """

    _thermostat: NoseHooverChainThermostat
    _barostat: MTKBarostat
    _p_g: np.ndarray

    def __init__(
        self,
        atoms: Atoms,
        *,
        strains: Strains,
        conditions: Conditions,
        timestep: float,
        thermostat_time: float,
        barostat_time: float,
    ):
        self._strains = strains
        self._thermostat_time, self._barostat_time = thermostat_time, barostat_time
        self._work = 0.0
        # the thermostat aims at 3 N k T / 2, of which the missing degrees of freedom take no part
        self._share = degrees_of_freedom(atoms) / (3 * len(atoms))
        temperature_kelvin = max(conditions.temperature_kelvin, COLDEST_THERMOSTAT_KELVIN)
        super().__init__(
            atoms,
            timestep=timestep,
            temperature_K=temperature_kelvin * self._share,
            pressure_au=conditions.pressure_kbar * KBAR,
            tdamp=thermostat_time,
            pdamp=barostat_time,
        )
        self._barostat = self._barostat_at(temperature_kelvin)

    def aim(self, conditions: Conditions) -> None:
        """Change the targets.

        Masses of thermostat and barostat are proportional to the temperature; their velocities
        stay, as in LAMMPS. The energy that all this takes is left out of the conserved one.
        """
        before = super().get_conserved_energy()
        kelvin = max(conditions.temperature_kelvin, COLDEST_THERMOSTAT_KELVIN)
        thermostat, barostat = self._thermostat, self._barostat
        self._thermostat, self._barostat = self._thermostat_at(kelvin), self._barostat_at(kelvin)
        self._thermostat._eta = thermostat._eta
        self._thermostat._p_eta = thermostat._p_eta * self._thermostat._Q / thermostat._Q
        self._barostat._xi = barostat._xi
        self._barostat._p_xi = barostat._p_xi * self._barostat._R / barostat._R
        self._p_g *= self._barostat.W / barostat.W
        self._pressure_au = conditions.pressure_kbar * KBAR
        self._work += super().get_conserved_energy() - before

    def get_conserved_energy(self) -> float:
        """The extended energy, less the work of changing targets, eV."""
        return float(super().get_conserved_energy()) - self._work

    def state(self) -> dict[str, Any]:
        """What is not in the atoms."""
        thermostat, barostat = self._thermostat, self._barostat
        return {
            "eta": thermostat._eta,
            "p_eta": thermostat._p_eta,
            "xi": barostat._xi,
            "p_xi": barostat._p_xi,
            "p_g": self._p_g,
            "work": self._work,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state` with the same targets."""
        thermostat, barostat = self._thermostat, self._barostat
        thermostat._eta, thermostat._p_eta = state["eta"], state["p_eta"]
        barostat._xi, barostat._p_xi = state["xi"], state["p_xi"]
        self._p_g, self._work = state["p_g"], state["work"]

    def _thermostat_at(self, temperature_kelvin: float) -> NoseHooverChainThermostat:
        return NoseHooverChainThermostat(
            num_atoms_global=len(self.atoms),
            masses=self.masses,
            temperature_K=temperature_kelvin * self._share,
            tdamp=self._thermostat_time,
        )

    def _barostat_at(self, temperature_kelvin: float) -> MTKBarostat:
        # The cell's mass is proportional to the temperature, its stiffness is not: without a floor
        # a cold cell would vibrate faster than the time step resolves.
        slower = np.sqrt(max(1.0, COLDEST_BAROSTAT_KELVIN / temperature_kelvin))
        return MTKBarostat(
            num_atoms_global=len(self.atoms),
            temperature_K=temperature_kelvin * self._share,
            pdamp=self._barostat_time * slower,
            mask=(True,) * len(self._strains),  # of which only the sum is used
        )

    def _integrate_p_cell(self, delta: float) -> None:
        super()._integrate_p_cell(delta)
        self._p_g = self._strains.project(self._p_g)


class ConfinedCellFilter(FrechetCellFilter):
    """Atoms and cell as one thing to minimise, of which the cell strains in a linear space."""

    def __init__(self, atoms: Atoms, strains: Strains, pressure_kbar: float):
        super().__init__(atoms, scalar_pressure=pressure_kbar * KBAR)
        self._strains = strains

    def get_forces(self, **kwargs: Any) -> np.ndarray:
        """Forces on the atoms (N, 3), and on the logarithm of the deformation (3, 3)."""
        forces = super().get_forces(**kwargs)
        forces[-3:] = self._strains.project(forces[-3:])
        return forces
