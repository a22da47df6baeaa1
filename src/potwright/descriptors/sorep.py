"""The kinetic spectral operator representation (SOREP) of structures.

The density of states per atom of the kinetic-energy operator, in a basis of contracted Gaussian
orbitals at the atoms: eigenvalues E of T c = E S c, with T the kinetic and S the overlap integrals,
each broadened by a Gaussian (A. Zadoks, A. Marrazzo, N. Marzari, npj Computational Materials 10,
278, 2024; used in AiiDA-TrainsPot, Digital Discovery 2026, Fig. 5). It knows positions and species,
but neither labels nor a potential; it is the same in any orientation, order of atoms and choice of
supercell, the latter as far as the Γ point goes.

The orbitals are atomic natural ones (ANO-RCC), of which the valence shells are kept, without
their steep primitives: a minimal basis, as that of a pseudo-atom. The paper uses "a customized
version" of such orbitals and does not say which, nor how it broadens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from potwright.execution import ExecutorParameters, run_tasks
from potwright.geometry import pad_vacuum
from potwright.pes import PESData

BASIS = "ano"
NOBLE = (0, 2, 10, 18, 36, 54, 86)
FILLING = {3: (6, 2), 2: (4, 1), 1: (2, 0)}
"""After the s shell of a period these are filled, l: the first period that has such a shell, and
by how much its principal quantum number is below the period."""
SMALLEST_COEFFICIENT = 0.02
STEEPEST_EXPONENT = 5.0
"""Primitives beyond these two (the latter per square bohr) are left out, which saves most of the
time. Steep ones make the orbitals oscillate in the core, where no neighbour reaches."""
GAP_ANGSTROM = 15.0
"""Empty space along axes that are not periodic; orbitals of neighbours do not meet across it."""
PRECISION = 1e-2
"""Of the lattice sums; a tighter one moves no eigenvalue by more than 1e-5 Hartree."""
DEPENDENT = 1e-6
"""Combinations of orbitals with smaller eigenvalues of S are linearly dependent, and left out."""


@dataclass(frozen=True)
class Spectrum:
    """Where the density of states is sampled.

    Attributes
    ----------
    largest_hartree
        Upper end of the energies, from 0.
    points
        How many.
    width_hartree
        Standard deviation of the broadening.
    """

    largest_hartree: float = 5.0
    points: int = 101
    width_hartree: float = 0.1

    @property
    def energies(self) -> np.ndarray:
        """Shape (points,), Hartree."""
        return np.linspace(0.0, self.largest_hartree, self.points)

    def density(self, levels: np.ndarray) -> np.ndarray:
        """Broadened density of ``levels``, shape (points,), per Hartree."""
        distance = (self.energies[:, None] - levels) / self.width_hartree
        norm = self.width_hartree * np.sqrt(2 * np.pi)
        return np.exp(-0.5 * distance**2).sum(axis=1) / norm


def kinetic_sorep(
    pes: PESData,
    spectrum: Spectrum | None = None,
    executor: ExecutorParameters | None = None,
) -> np.ndarray:
    """The descriptor of each structure, shape (S, points), per Hartree and atom.

    Parameters
    ----------
    pes
        S structures; axes that are not periodic get empty space. At the Γ point of the cell as it
        is: cells of some size, or like cells.
    spectrum
        Where the density of states is sampled.
    executor
        Where structures are worked on; in this process if it is not given.

    Raises
    ------
    InputError
        For an element that the basis lacks (beyond curium).
    ImportError
        If PySCF is not installed.
    """
    spectrum = spectrum or Spectrum()
    found: dict[int, np.ndarray] = {}
    for index, levels in _levels([pes[i : i + 1] for i in range(len(pes))], executor):
        found[index] = spectrum.density(levels) / pes.n_atoms[index]
    return np.array([found[i] for i in range(len(pes))]).reshape(len(pes), spectrum.points)


def kinetic_levels(structure: PESData) -> np.ndarray:
    """Eigenvalues of the kinetic-energy operator of one structure, ascending, Hartree."""
    from scipy.linalg import eigh

    kinetic, overlap = _integrals(structure)
    scale, vectors = np.linalg.eigh(overlap)
    kept = scale > DEPENDENT
    orthogonal = vectors[:, kept] / np.sqrt(scale[kept])
    return eigh(orthogonal.T @ kinetic @ orthogonal, eigvals_only=True)


def _levels(
    structures: list[PESData], executor: ExecutorParameters | None
) -> Iterator[tuple[int, np.ndarray]]:
    if executor is None:
        yield from enumerate(map(kinetic_levels, structures))
        return
    # the largest first, so that workers end at about the same time
    order = sorted(range(len(structures)), key=lambda i: -int(structures[i].n_atoms[0]))
    tasks = [structures[i] for i in order]
    for outcome in run_tasks(kinetic_levels, tasks, executor, description="kinetic SOREP"):
        if outcome.error is not None:
            raise RuntimeError(f"kinetic SOREP failed: {outcome.error.message}")
        yield order[outcome.index], np.asarray(outcome.value)


def valence_basis(symbol: str) -> list[Any]:
    """The valence shells of ANO-RCC, in PySCF's form: ``[l, [exponent, coefficient], …]`` each."""
    from pyscf import gto

    shells = {}
    for momentum, *primitives in gto.basis.load(BASIS, symbol):
        shells[momentum] = primitives
    return [
        [momentum, *([row[0], row[n]] for row in shells[momentum] if _matters(row[0], row[n]))]
        for momentum, n in valence_shells(chemical_symbols.index(symbol)).items()
    ]


def valence_shells(number: int) -> dict[int, int]:
    """For each angular momentum l of the valence, which shell of that l it is, from 1.

    Electrons beyond the noble gas before, filled in the order s, f, d, p; f and d shells that are
    full and followed by others belong to the core.
    """
    period = max(i for i, z in enumerate(NOBLE) if z < number) + 1
    electrons = number - NOBLE[period - 1] - 2
    valence = {0: period}
    for momentum, (first_period, below) in FILLING.items():
        if period < first_period or electrons <= 0:
            continue
        capacity = 4 * momentum + 2
        if momentum == 1 or electrons <= capacity:
            valence[momentum] = period - below - momentum
        electrons -= capacity
    return valence


def _matters(exponent: float, coefficient: float) -> bool:
    return exponent <= STEEPEST_EXPONENT and abs(coefficient) >= SMALLEST_COEFFICIENT


def _integrals(structure: PESData) -> tuple[np.ndarray, np.ndarray]:
    """Kinetic-energy (Hartree) and overlap integrals at the Γ point."""
    from pyscf.pbc import gto

    positions, cell = pad_vacuum(
        structure.positions, structure.cell[0], structure.pbc[0], GAP_ANGSTROM
    )
    symbols = [chemical_symbols[z] for z in structure.numbers.tolist()]
    system = gto.Cell(
        atom=list(zip(symbols, positions.tolist(), strict=True)),
        a=cell,
        unit="Angstrom",
        basis={symbol: valence_basis(symbol) for symbol in sorted(set(symbols))},
        spin=None,  # any number of electrons: none are used
        precision=PRECISION,
        verbose=0,
    )
    system.build(dump_input=False, parse_arg=False)
    kinetic, overlap = (
        np.asarray(system.pbc_intor(name, hermi=1)).real for name in ("int1e_kin", "int1e_ovlp")
    )
    return kinetic, overlap
