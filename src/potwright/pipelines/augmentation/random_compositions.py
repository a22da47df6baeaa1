"""What random crystals are made of, and around which volume."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.formula import Formula

from potwright.errors import InputError
from potwright.geometry import cell_volume, empty_gaps
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import geometries
from potwright.pipelines.augmentation.parameters import RandomSearchParameters

logger = logging.getLogger(__name__)

VOLUME_OVER_SPHERES = 1.75
"""Volume of a crystal over that of spheres of its covalent radii: the middle, in the logarithm, of
the 10 to 90 % range of ASE's reference states, 1.0 (close-packed metals) to 3.1 (diamond)."""


@dataclass(frozen=True)
class Composition:
    """A formula unit, and the volume that its crystals are made around.

    Attributes
    ----------
    formula
        As it was given, or the reduced formula of an input.
    volume
        Per atom, Å³.
    volume_from
        Where the volume comes from, in words.
    """

    formula: str
    volume: float
    volume_from: str

    @property
    def counts(self) -> dict[str, int]:
        """Atoms of each element."""
        return dict(Formula(self.formula).count())


def compositions(
    inputs: PESData, parameters: RandomSearchParameters, largest_gap_angstrom: float
) -> list[Composition]:
    """The compositions that are given; else those of the inputs.

    A volume that is not given is the median volume per atom of the inputs of that composition
    which are periodic along all axes without an empty gap beyond ``largest_gap_angstrom``; where
    there is no such input, 1.75 times the volume of spheres of the covalent radii.

    Raises
    ------
    InputError
        If neither parameters nor inputs name a composition that fits into ``max_atoms``, or a
        volume cannot hold the atoms at the distance that they must have.
    """
    volumes = _volumes_of_inputs(inputs, largest_gap_angstrom)
    given = parameters.compositions or dict.fromkeys(volumes)
    fits = parameters.max_atoms // min(parameters.formula_units)
    # those that the user gave are refused as the parameters are read
    for formula in [f for f in given if len(Formula(f)) > fits]:
        logger.warning(
            "Random search leaves out %s, a composition of the inputs: more than "
            "random_search.max_atoms = %d atoms",
            formula,
            parameters.max_atoms,
        )
    known = [_sized(f, v, volumes) for f, v in given.items() if len(Formula(f)) <= fits]
    if not known:
        raise InputError(
            "augmentation.random_search: no input says what to search; name formulas in "
            "augmentation.random_search.compositions, such as {SiC: null}, or set enabled: false"
        )
    for composition in known:
        _refuse_too_dense(composition, parameters)
        logger.info(
            "Random search: %s around %.1f Å³ per atom, from %s",
            composition.formula,
            composition.volume,
            composition.volume_from,
        )
    return known


def _sized(formula: str, given: float | None, volumes: dict[str, list[float]]) -> Composition:
    if given is not None:
        return Composition(formula, given, "the parameters")
    of_inputs = volumes.get(_reduced(Formula(formula)))
    if of_inputs:
        return Composition(formula, float(np.median(of_inputs)), "the inputs")
    return Composition(formula, VOLUME_OVER_SPHERES * _sphere(formula, 1.0), "covalent radii")


def _sphere(formula: str, ratio: float) -> float:
    """Mean volume (Å³) of spheres of ``ratio`` times the covalent radii."""
    radii = ratio * covalent_radii[[atomic_numbers[symbol] for symbol in Formula(formula)]]
    return float(np.mean(4 / 3 * np.pi * radii**3))


def _refuse_too_dense(composition: Composition, parameters: RandomSearchParameters) -> None:
    """Spheres whose diameters are the least distances do not overlap, so they must fit in."""
    least = _sphere(composition.formula, parameters.min_covalent_ratio)
    most = composition.volume * max(parameters.volume_factor_range)
    if most < least:
        raise InputError(
            f"augmentation.random_search.compositions: at most {most:.1f} Å³ per atom of "
            f"{composition.formula} (from {composition.volume_from}) cannot hold atoms at "
            f"min_covalent_ratio = {parameters.min_covalent_ratio}, which fill {least:.1f} Å³ "
            "each; give more volume, or a smaller ratio"
        )


def _volumes_of_inputs(inputs: PESData, largest_gap: float) -> dict[str, list[float]]:
    """Volumes per atom (Å³) of the inputs that fill their cells, by reduced formula; all formulas
    of inputs are there."""
    volumes: dict[str, list[float]] = {}
    for geometry in geometries(inputs):
        of_formula = volumes.setdefault(_reduced(Atoms(geometry.numbers).symbols.formula), [])
        filled = geometry.pbc.all()
        if filled and empty_gaps(geometry.positions, geometry.cell).max() <= largest_gap:
            of_formula.append(cell_volume(geometry.cell) / len(geometry.numbers))
    return volumes


def _reduced(formula: Formula) -> str:
    return str(formula.convert("metal").reduce()[0])
