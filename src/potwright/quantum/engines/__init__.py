"""What can compute labels. See :class:`Engine` for what an engine provides.

A new engine is one module with a class like :class:`TBLiteEngine`, and its name in
``EngineParameters`` below.
"""

from typing import Annotated

from pydantic import Field

from potwright.quantum.engines.ase_calculator import ASEEngine
from potwright.quantum.engines.committee import CommitteeEngine
from potwright.quantum.engines.espresso import QuantumEspressoEngine
from potwright.quantum.engines.imported import ImportedEngine
from potwright.quantum.engines.protocol import Engine
from potwright.quantum.engines.tblite import TBLiteEngine

EngineParameters = Annotated[
    TBLiteEngine | QuantumEspressoEngine | CommitteeEngine | ASEEngine | ImportedEngine,
    Field(discriminator="type"),
]

__all__ = [
    "ASEEngine",
    "CommitteeEngine",
    "Engine",
    "EngineParameters",
    "ImportedEngine",
    "QuantumEspressoEngine",
    "TBLiteEngine",
]
