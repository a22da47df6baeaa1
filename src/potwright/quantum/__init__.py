"""Labels: the engines that compute them, what they depend on, and the store that keeps them.

>>> from ase.build import molecule
>>> from potwright.quantum import TBLiteEngine, compute_label
>>> engine = TBLiteEngine(method="GFN2-xTB")
>>> round(compute_label(engine, molecule("H2O")).energy, 3)
-137.968
"""

from potwright.quantum.engines import (
    ASEEngine,
    CommitteeEngine,
    Engine,
    EngineParameters,
    ImportedEngine,
    QuantumEspressoEngine,
    TBLiteEngine,
)
from potwright.quantum.label import (
    REASONS,
    Attempt,
    CalculationError,
    Label,
    LabelFailure,
    compute_label,
    failure_reason,
    try_label,
)
from potwright.quantum.level_of_theory import LevelOfTheory
from potwright.quantum.store import LabelStore, Stored

__all__ = [
    "REASONS",
    "ASEEngine",
    "Attempt",
    "CalculationError",
    "CommitteeEngine",
    "Engine",
    "EngineParameters",
    "ImportedEngine",
    "Label",
    "LabelFailure",
    "LabelStore",
    "LevelOfTheory",
    "QuantumEspressoEngine",
    "Stored",
    "TBLiteEngine",
    "compute_label",
    "failure_reason",
    "try_label",
]
