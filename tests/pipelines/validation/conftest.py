"""Surfaces whose answers are known: effective medium theory, and multiples of it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.mixing import LinearCombinationCalculator

from potwright.dynamics import NoDispersion
from potwright.execution import LocalExecutor
from potwright.pipelines.validation.parameters import ValidationParameters
from potwright.pipelines.validation.plans import Values, _calculated
from potwright.pipelines.validation.prototypes import Prototype
from potwright.pipelines.validation.surfaces import REFERENCE, Surface, Surfaces

sys.path.insert(0, str(Path(__file__).parent))  # for the potential beside the tests

COPPER = {"structure": "fcc", "species": "Cu", "length_angstrom": 3.6}


class InProcess(Surfaces):
    """The real rounds and plans; calculators answer, in this process."""

    def __init__(self, calculators: dict[Surface, Calculator]):
        self.calculators = calculators
        self.potentials, self.members, self.costs = {}, True, Counter()
        self.executor, self.labelling_executor = LocalExecutor(workers=1), None
        self.dispersion = NoDispersion()

    def all(self) -> list[Surface]:
        return list(self.calculators)

    def repeats_of(self, prototype: Prototype) -> tuple[int, int, int]:
        return prototype.repeats or (1, 1, 1)

    def refuse_species(self, numbers: Any, where: str) -> None:
        return

    def evaluate(
        self, requests: Sequence[tuple[Surface, Atoms]], *, dispersion: bool = False
    ) -> list[Values]:
        return [_calculated(atoms, self.calculators[surface]) for surface, atoms in requests]


def multiple(factor: float) -> Calculator:
    return LinearCombinationCalculator([EMT()], [factor])


@pytest.fixture
def multiples() -> InProcess:
    """The reference, a committee of 1.0 and 1.2 times it, and its mean."""
    return InProcess(
        {
            REFERENCE: EMT(),
            Surface("committee"): multiple(1.1),
            Surface("committee", 0): multiple(1.0),
            Surface("committee", 1): multiple(1.2),
        }
    )


@pytest.fixture
def in_process() -> Callable[[dict[Surface, Calculator]], InProcess]:
    return InProcess


@pytest.fixture
def asked() -> Callable[..., ValidationParameters]:
    """Parameters with copper among the prototypes."""

    def make(**given: Any) -> ValidationParameters:
        prototypes = {"copper": COPPER, **given.pop("prototypes", {})}
        return ValidationParameters.model_validate({"prototypes": prototypes, **given})

    return make
