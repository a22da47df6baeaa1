"""Trained models: potentials, committees of them, and the calculator that users take away.

>>> committee = load_committee(folder)  # doctest: +SKIP
>>> atoms.calc = committee.calculator()  # doctest: +SKIP
"""

from potwright.potentials.committee import Committee, load_committee
from potwright.potentials.protocol import Evaluator, Potential

__all__ = ["Committee", "Evaluator", "Potential", "load_committee"]
