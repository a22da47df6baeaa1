"""What LAMMPS computes itself: pair styles, one or several on top of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

SKIN_ANGSTROM = 2.0
FEWEST_NEIGHBOURS = 2000  # LAMMPS's own default
DENSER = 2.0  # how much denser than at the start a place may become


@dataclass(frozen=True)
class PairStyle:
    """Interactions that LAMMPS computes.

    Attributes
    ----------
    style
        Name and arguments, as after ``pair_style``.
    coefficients
        One for each ``pair_coeff``: two atom types, and what follows them.
    reach_angstrom
        How far it looks, where that is far.
    commands
        Whole ones that come after these, such as ``pair_modify``.
    """

    style: str
    coefficients: tuple[tuple[str, str], ...]
    reach_angstrom: float = 0.0
    commands: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The first word of the style."""
        return self.style.split()[0]


def pair_commands(styles: Sequence[PairStyle], atoms: Atoms) -> list[str]:
    """Commands that set up ``styles``, which add up, for these ``atoms``."""
    if not styles:
        return ["pair_style none"]
    if len(styles) == 1:
        (only,) = styles
        coefficients = [f"pair_coeff {types} {rest}" for types, rest in only.coefficients]
        commands = [f"pair_style {only.style}", *coefficients]
    else:
        together = " ".join(style.style for style in styles)
        commands = [f"pair_style hybrid/overlay {together}"]
        for style in styles:
            commands += [
                f"pair_coeff {types} {style.name} {rest}" for types, rest in style.coefficients
            ]
    most = _most_neighbours(max(style.reach_angstrom for style in styles), atoms)
    return [
        *commands,
        *(command for style in styles for command in style.commands),
        # the box around a molecule may be too small for bins
        f"neighbor {SKIN_ANGSTROM} {'bin' if atoms.pbc.any() else 'nsq'}",
        f"neigh_modify every 1 delay 0 check yes one {most} page {100 * most}",
    ]


def _most_neighbours(reach_angstrom: float, atoms: Atoms) -> int:
    """Room for the neighbours of an atom; LAMMPS stops where it does not do."""
    if not atoms.pbc.any():
        return max(FEWEST_NEIGHBOURS, len(atoms))
    sphere = 4 / 3 * np.pi * (reach_angstrom + SKIN_ANGSTROM) ** 3
    return max(FEWEST_NEIGHBOURS, int(DENSER * sphere * len(atoms) / atoms.get_volume()))
