"""Writes the four monolayers of the W–Mo–Te cases: H and T' of MoTe2 and WTe2.

They are single layers of published crystals; data/01_raw/wmote2/README.md has the sources. Atoms of
MoTe2 and WTe2 stand in the same order, so that alloys can lie between them.

Run: python scripts/paper_wmote2.py [FOLDER]     (FOLDER: data/01_raw)
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.build import mx2

VACUUM = 15.0  # Å, the paper's


def h_phase(metal: str, a: float, thickness: float) -> Atoms:
    """A trigonal prismatic layer: lattice constant, and height from Te to Te, Å."""
    return in_vacuum(mx2(f"{metal}Te2", "2H", a=a, thickness=thickness))


def t_prime(
    metal: str, a: float, b: float, across: tuple[float, ...], heights: tuple[float, ...]
) -> Atoms:
    """A distorted octahedral layer, from half of its atoms by inversion.

    Parameters
    ----------
    metal
        Its symbol.
    a, b
        Lattice constants along and across the metal's zigzag chains, Å.
    across, heights
        Of the metal, the outer and the inner Te: fraction of ``b`` from the inversion centre, and
        height above the middle, Å. The outer Te lies in the mirror plane of the other metal.
    """
    plane = np.array([0.25, 0.75, 0.25])
    half = np.column_stack([plane * a, np.array(across) * b, heights])
    positions = np.stack([half, -half], axis=1).reshape(6, 3)
    atoms = Atoms([metal] * 2 + ["Te"] * 4, positions=positions, cell=[a, b, 1])
    atoms.pbc = (True, True, False)
    atoms.wrap()
    return in_vacuum(atoms)


def in_vacuum(atoms: Atoms) -> Atoms:
    """The layer in the middle of its cell."""
    layer = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=(True, True, False))
    layer.cell[2] = [0, 0, 1]
    layer.center(vacuum=VACUUM / 2, axis=2)
    return layer


def monolayers() -> dict[str, Atoms]:
    """The four, by the names of their files."""
    return {
        # one layer of 2H-MoTe2: Puotinen and Newnham 1961, a = 3.5182, c = 13.9736, z = 0.621
        "mote2_h": h_phase("Mo", 3.5182, 2 * (0.75 - 0.621) * 13.9736),
        # one layer of β-MoTe2: Brown 1966, a = 6.33, b = 3.469, c = 13.86, β = 93°55'
        "mote2_t": beta_layer(),
        # no crystal is known; PBE, rounded: Duerloo, Li and Reed 2014
        "wte2_h": h_phase("W", 3.55, 3.60),
        # one layer of Td-WTe2: Mar, Jobic and Ibers 1992, a = 3.477, b = 6.249, c = 14.018, whose
        # two halves are averaged over the inversion that a layer by itself has
        "wte2_t": t_prime(
            "W",
            3.477,
            6.249,
            (0.17979, 0.07803, -0.42677),
            (0.00761 * 14.018, 0.14771 * 14.018, 0.10363 * 14.018),
        ),
    }


def beta_layer() -> Atoms:
    """The layer around the origin of β-MoTe2; c leans by 3°55' against the layer's normal."""
    a, c, angle = 6.33, 13.86, np.radians(93 + 55 / 60)
    sites = np.array([(0.1820, 0.0076), (0.0964, 0.1492), (-0.4123, 0.1064)])  # x, z
    across = sites[:, 0] + sites[:, 1] * c * np.cos(angle) / a
    heights = sites[:, 1] * c * np.sin(angle)
    return t_prime("Mo", 3.469, a, tuple(across), tuple(heights))


def write(folder: Path) -> None:
    """Write the four files below ``folder``."""
    for name, atoms in monolayers().items():
        path = folder / "wmote2" / f"{name}.extxyz"
        path.parent.mkdir(parents=True, exist_ok=True)
        ase.io.write(path, atoms, format="extxyz")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "data/01_raw"))
