"""Writes the carbon structures of the paper's cases into data/01_raw/carbon, and unseen ones.

The paper starts from 48 structures of databases and does not list them. These are forms of carbon
whose lattice parameters and coordinates are published, or follow from bond lengths; the README
there has the sources. Nothing is relaxed.

Run: python scripts/paper_carbon.py [FOLDER]     (FOLDER: data/01_raw)
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk, graphene_nanoribbon, make_supercell
from ase.spacegroup import crystal

from potwright.geometry import find_supercell

DIAMOND = 3.56679  # Å, cubic lattice constant
BOND = 1.42  # Å, in graphene
LAYERS = 3.3555  # Å, between the layers of graphite
VACUUM = 15.0  # Å, the paper's

SMALL = (
    "diamond",
    "lonsdaleite",
    "bct_c4",
    "graphite_ab",
    "graphene",
    "bilayer_ab",
    "penta_graphene",
    "polyyne",
    "ribbon_armchair",
    "c20",
)
"""What the small forms begin with: one or two of each kind, whose cells are small."""

UNSEEN_ATOMS, UNSEEN_LENGTH, UNSEEN_IMAGE = 90, 10.0, 6.3
"""Atoms in an unseen structure at most; distance of its images that is wanted, and needed, Å."""


# ---------------------------------------------------------------- crystals


def polytype(stacking: str) -> Atoms:
    """Diamond with its double layers stacked as letters say; neighbours must differ."""
    a, h = DIAMOND / np.sqrt(2), DIAMOND / np.sqrt(3)
    places = {"A": (0, 0), "B": (1 / 3, 2 / 3), "C": (2 / 3, 1 / 3)}
    layers = len(stacking)
    scaled = [
        (*places[letter], (i + shift) / layers)
        for i, letter in enumerate(stacking)
        for shift in (0, 0.75)
    ]
    cell = [[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, layers * h]]
    return Atoms(f"C{len(scaled)}", scaled_positions=scaled, cell=cell, pbc=True)


def of_group(number: int, sites: list[tuple[float, float, float]], *lengths: float) -> Atoms:
    """The primitive cell of a crystal: space group (setting 1), sites, a, b, c, α, β, γ."""
    setting = 2 if number in (227,) else 1  # of two origins the one in an inversion centre
    return crystal(
        ["C"] * len(sites),
        sites,
        spacegroup=number,
        setting=setting,
        cellpar=list(lengths),
        primitive_cell=True,
    )


def graphite(stacking: str) -> Atoms:
    """Flat layers stacked as letters say; one is AA."""
    layer = sheets(stacking)
    layer.positions[:, 2] -= layer.positions[:, 2].min()
    layer.cell[2] = [0, 0, LAYERS * len(stacking)]
    layer.pbc = True
    return layer


def crystals() -> dict[str, Atoms]:
    """Periodic along three axes."""
    tetrahedral = {
        "lonsdaleite": of_group(194, [(1 / 3, 2 / 3, 1 / 16)], 2.52, 2.52, 4.12, 90, 90, 120),
        "polytype_4h": polytype("ABCB"),
        "polytype_6h": polytype("ABCACB"),
        "polytype_8h": polytype("ABCABACB"),
        "polytype_10h": polytype("ABCABCBACB"),
        "polytype_9r": polytype("ABABCBCAC"),
        "polytype_12r": polytype("ABCACABCBCAB"),
        "polytype_15r": polytype("ABCBACABACBCACB"),
        "diamond": bulk("C", "diamond", a=DIAMOND, cubic=True),
        "bct_c4": of_group(139, [(0.17916, 0.17916, 0)], 4.33184, 4.33184, 2.48692, 90, 90, 90),
        "m_carbon": of_group(
            12,
            [
                (0.9427, 0, 0.1204),
                (0.4418, 0, 0.3464),
                (0.7857, 0, 0.9408),
                (0.2713, 0, 0.4147),
            ],
            *(9.089, 2.496, 4.104),
            *(90, 96.96, 90),
        ),
        "z_carbon": of_group(
            65, [(0.089, 0.316, 0.5), (0.167, 0.185, 0)], 8.772, 4.256, 2.514, 90, 90, 90
        ),
        "bc8": of_group(206, [(0.1003, 0.1003, 0.1003)], *3 * [4.48], 90, 90, 90),
        "supercubane": of_group(229, [(0.161, 0.161, 0.161)], *3 * [4.87], 90, 90, 90),
        "t_carbon": of_group(227, [(0.0544, 0.0544, 0.0544)], *3 * [7.52], 90, 90, 90),
        "clathrate_1": of_group(
            223,
            [(0.25, 0.5, 0), (0.1837, 0.1837, 0.1837), (0, 0.1172, 0.3077)],
            *3 * [6.70],
            90,
            90,
            90,
        ),
        "clathrate_2": of_group(
            227,
            [(0.125, 0.125, 0.125), (0.2174, 0.2174, 0.2174), (0.1824, 0.1824, 0.3711)],
            *3 * [9.67],
            90,
            90,
            90,
        ),
    }
    threefold = {
        "k4": of_group(214, [(0.125, 0.125, 0.125)], *3 * [4.13], 90, 90, 90),
        "triangles": of_group(
            194, [(0.55201, 0.10402, 0.25)], 4.40445, 4.40445, 2.50566, 90, 90, 120
        ),
        "graphite_aa": graphite("A"),
        "graphite_ab": graphite("AB"),
        "graphite_abc": graphite("ABC"),
        "fullerite": fullerite(),
    }
    return tetrahedral | threefold


# ---------------------------------------------------------------- sheets, chains, molecules


def sheets(stacking: str) -> Atoms:
    """Flat honeycombs above each other, the letters shifted by a bond; 2×2 cells.

    Replicated to whole multiples of 3 they would fold the K point, where the bands meet, onto Γ.
    """
    a = BOND * np.sqrt(3)
    shifts = {"A": 0, "B": 1 / 3, "C": 2 / 3}
    scaled = [
        ((x + shifts[letter]) % 1, (y + 2 * shifts[letter]) % 1, i)
        for i, letter in enumerate(stacking)
        for x, y in ((0, 0), (1 / 3, 2 / 3))
    ]
    cell = [[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, LAYERS]]
    layers = Atoms(f"C{len(scaled)}", scaled_positions=scaled, cell=cell).repeat((2, 2, 1))
    return in_vacuum(layers, (1, 1, 0))


def planar(cell: list[list[float]], points: list[tuple[float, ...]]) -> Atoms:
    """A sheet: its two vectors, and Cartesian positions, Å."""
    positions = [(*point, 0.0) if len(point) == 2 else point for point in points]
    vectors = [[*vector, 0] for vector in cell] + [[0, 0, 1]]
    atoms = Atoms(f"C{len(positions)}", positions=positions, cell=vectors)
    return in_vacuum(atoms, (1, 1, 0))


def graphyne(*bonds: float) -> Atoms:
    """Hexagons joined by chains of these bonds, Å, from hexagon to hexagon."""
    ring = 1.43
    a = 2 * ring + sum(bonds)
    along = ring + np.cumsum([0, *bonds[: len(bonds) // 2]])
    points = [
        (r * np.cos(angle), r * np.sin(angle)) for r in along for angle in np.arange(6) * np.pi / 3
    ]
    return planar(hexagonal(a), points)


def alpha_graphyne() -> Atoms:
    """Graphene with a pair of atoms in each bond."""
    outer, triple = 1.396, 1.230
    length = 2 * outer + triple
    cell = np.array(hexagonal(length * np.sqrt(3)))
    first, second = np.zeros(2), cell.T @ (1 / 3, 2 / 3)
    points = [tuple(first), tuple(second)]
    for image in product((0, -1), repeat=2):
        towards = second + np.array(image) @ cell
        if abs(np.linalg.norm(towards) - length) < 1e-6:
            points += [tuple(towards * r / length) for r in (outer, outer + triple)]
    return planar(cell.tolist(), points)


def hexagonal(a: float) -> list[list[float]]:
    """Two vectors at 120°."""
    return [[a, 0], [-a / 2, a * np.sqrt(3) / 2]]


def sheets_and_chains() -> dict[str, Atoms]:
    """Periodic along two axes or one."""
    square = 1.48 / np.sqrt(2)
    x, height = 0.1302, 0.60  # from bonds of 1.34 Å between threefold atoms, 1.55 Å to others
    a = 3.64
    penta = [(0, 0, 0), (0.5, 0.5, 0)]
    penta += [(x, x + 0.5, 1), (-x, 0.5 - x, 1), (x + 0.5, -x, -1), (0.5 - x, x, -1)]
    tips, edges = 1.532, (1.155, 0.7285)  # from the bonds of the biphenylene network
    biphenylene = [(0, tips), (0, -tips)]
    biphenylene += [(i * edges[0], j * edges[1]) for i in (1, -1) for j in (1, -1)]
    return {
        "graphene": sheets("A"),
        "bilayer_aa": sheets("AA"),
        "bilayer_ab": sheets("AB"),
        "trilayer_aba": sheets("ABA"),
        "trilayer_abc": sheets("ABC"),
        "penta_graphene": planar(
            [[a, 0], [0, a]], [(a * x % a, a * y % a, height * z) for x, y, z in penta]
        ),
        "t_graphene": planar(
            [[3.45, 0], [0, 3.45]], [(square, 0), (-square, 0), (0, square), (0, -square)]
        ),
        "biphenylene": planar([[3.76, 0], [0, 4.52]], biphenylene),
        "graphyne": graphyne(1.407, 1.223, 1.407),
        "alpha_graphyne": alpha_graphyne(),
        "graphdiyne": graphyne(1.396, 1.231, 1.339, 1.231, 1.396),
        "polyyne": chain(1.265, 1.301),
        "cumulene": chain(1.282, 1.282),
        "ribbon_armchair": ribbon("armchair", 3),
        "ribbon_zigzag": ribbon("zigzag", 4),
    }


def chain(first: float, second: float) -> Atoms:
    """Thirty atoms in a row: at Γ alone, 10 or 20 are 0.1 eV/atom off, one above, one below."""
    atoms = Atoms("C2", [[0, 0, 0], [0, 0, first]], cell=[1, 1, first + second])
    return in_vacuum(atoms.repeat((1, 1, 15)), (0, 0, 1))


def ribbon(edge: str, width: int) -> Atoms:
    """A ribbon of graphene with bare edges."""
    atoms = graphene_nanoribbon(width, 1, type=edge, C_C=BOND)
    atoms.cell[0], atoms.cell[1] = [1, 0, 0], [0, 1, 0]
    return in_vacuum(atoms, (0, 0, 1))


def fullerene(corners: list[tuple[float, ...]], edge: float, bond: float) -> np.ndarray:
    """Even permutations of corners with all signs, scaled to a bond, Å."""
    found = {
        tuple(np.round(np.roll(np.array(corner) * signs, turn), 9) + 0.0)
        for corner in corners
        for signs in product((1, -1), repeat=3)
        for turn in range(3)
    }
    return np.array(sorted(found)) * bond / edge


GOLDEN = (1 + np.sqrt(5)) / 2
C60 = fullerene(
    [(0, 1, 3 * GOLDEN), (1, 2 + GOLDEN, 2 * GOLDEN), (GOLDEN, 2, 2 * GOLDEN + 1)], 2, 1.43
)
C20 = fullerene([(1, 1, 1), (0, 1 / GOLDEN, GOLDEN)], 2 / GOLDEN, 1.45)


def fullerite() -> Atoms:
    """C60 on a face-centred lattice, all molecules alike (Fm-3)."""
    half = 14.17 / 2
    cell = [[0, half, half], [half, 0, half], [half, half, 0]]
    return Atoms("C60", positions=C60, cell=cell, pbc=True)


def molecules() -> dict[str, Atoms]:
    """Periodic nowhere."""
    return {
        "c20": in_vacuum(Atoms("C20", positions=C20), (0, 0, 0)),
        "c60": in_vacuum(Atoms("C60", positions=C60), (0, 0, 0)),
    }


def in_vacuum(atoms: Atoms, pbc: tuple[int, int, int]) -> Atoms:
    """The structure with empty space along the axes that are not periodic."""
    atoms.pbc = pbc
    open_axes = [axis for axis in range(3) if not pbc[axis]]
    atoms.center(vacuum=VACUUM / 2, axis=open_axes)
    return atoms


# ---------------------------------------------------------------- files


def structures() -> dict[str, Atoms]:
    """All of them, by name."""
    return crystals() | sheets_and_chains() | molecules()


def unseen(atoms: Atoms) -> Atoms | None:
    """As large a supercell as Γ alone wants, and few atoms allow; None: there is none."""
    found = find_supercell(atoms.cell.array, atoms.pbc, len(atoms), UNSEEN_LENGTH, UNSEEN_ATOMS)
    if found.n_atoms > UNSEEN_ATOMS or found.shortest_image < UNSEEN_IMAGE:
        return None
    large = make_supercell(atoms, found.matrix)
    large.pbc = atoms.pbc
    return large


def write(folder: Path) -> None:
    """Write all files below ``folder``."""
    for name, atoms in structures().items():
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        place = folder / "carbon" / ("small" if name in SMALL else "further")
        _write(place / f"{name}.extxyz", bare)
        large = None if name in SMALL else unseen(bare)
        if large is not None:
            _write(folder / "unseen" / "carbon_small" / f"{name}.extxyz", large)


def _write(path: Path, atoms: Atoms) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ase.io.write(path, atoms, format="extxyz")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "data/01_raw"))
