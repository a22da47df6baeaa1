"""Small foundation models of our own, for benchmarks of fine-tuning: nothing can be downloaded.

They learn a level of theory that costs nothing, a potential with three-body terms, on structures of
their own: distorted crystals, with and without vacancies.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk, graphene
from ase.calculators.calculator import Calculator
from ase.calculators.singlepoint import SinglePointCalculator

from potwright.pes import PESData
from potwright.pipelines.training.members import train_members
from potwright.pipelines.training.parameters import TrainingParameters


def stillinger_weber(structures: int, seed: int) -> PESData:
    """Distorted silicon with Stillinger–Weber labels (Phys. Rev. B 31, 5262, 1985)."""
    from matscipy.calculators.manybody.explicit_forms import stillinger_weber as form

    calculator = _manybody(form.StillingerWeber(form.Stillinger_Weber_PRB_31_5262_Si))
    crystals = [bulk("Si", cubic=True).repeat(2)]
    level = "stillinger-weber"
    return _labelled(
        crystals, structures, seed, calculator=calculator, level=level, rattle_angstrom=0.35
    )


def tersoff(structures: int, seed: int) -> PESData:
    """Distorted diamond and graphene with Tersoff labels (Phys. Rev. B 39, 5566, 1989)."""
    from matscipy.calculators.manybody.explicit_forms import tersoff_brenner as form

    calculator = _manybody(form.TersoffBrenner(form.Tersoff_PRB_39_5566_Si_C))
    sheet = graphene(size=(4, 4, 1), vacuum=6.0)
    sheet.pbc = True  # the calculator knows no other stress; the vacuum decouples the images
    crystals = [bulk("C", cubic=True).repeat(2), sheet]
    return _labelled(
        crystals, structures, seed, calculator=calculator, level="tersoff", rattle_angstrom=0.1
    )


def foundation_model(scratch: Path, labelled: PESData, parameters: TrainingParameters) -> Path:
    """The file of a model trained on these; once for a folder."""
    return train_members(labelled, scratch / "foundation", parameters, 1, 1).members[0].path


def distorted(
    crystal: Atoms, random: np.random.Generator, *, with_vacancies: bool, rattle_angstrom: float
) -> Atoms:
    """A crystal strained by −5 to +8 %, a little sheared, with 1 to 3 vacancies, and rattled."""
    atoms = crystal.copy()
    atoms.set_cell(
        atoms.cell * (1 + random.uniform(-0.05, 0.08))
        + atoms.cell.array @ random.normal(scale=0.015, size=(3, 3)),
        scale_atoms=True,
    )
    if with_vacancies:
        del atoms[random.permutation(len(atoms))[: random.integers(1, 4)]]
    scale = random.uniform(0.02, rattle_angstrom)
    atoms.positions += random.normal(scale=scale, size=atoms.positions.shape)
    return atoms


def _labelled(
    crystals: Sequence[Atoms],
    structures: int,
    seed: int,
    *,
    calculator: Calculator,
    level: str,
    rattle_angstrom: float,
) -> PESData:
    random = np.random.default_rng(seed)
    made: list[Atoms] = []
    for number in range(structures):
        crystal = crystals[number // 2 % len(crystals)]
        atoms = distorted(
            crystal, random, with_vacancies=bool(number % 2), rattle_angstrom=rattle_angstrom
        )
        atoms.calc = calculator
        results = {
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces(),
            "stress": atoms.get_stress(),
        }
        atoms.calc = SinglePointCalculator(atoms, **results)
        made.append(atoms)
    return PESData.from_atoms(made, iteration=1, level_of_theory=level)


def _manybody(form: dict[str, Any]) -> Calculator:
    from matscipy.calculators.manybody import Manybody

    return Manybody(**form)
