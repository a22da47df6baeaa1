"""Molecular dynamics: engines, ensembles by periodicity, and what is watched.

A new engine is one module with a block of parameters that follows :class:`MDEngine`, and its name
in ``MDEngineParameters`` below.
"""

from typing import Annotated

from pydantic import Field

from potwright.dynamics.ase_engine import AseEngine
from potwright.dynamics.bias import Bias, BiasedPotential
from potwright.dynamics.disagreement import Disagreement
from potwright.dynamics.dispersion import Dispersed, DispersionParameters, NoDispersion
from potwright.dynamics.engine import (
    Conditions,
    Driver,
    Ensemble,
    MDEngine,
    Schedule,
    Strain,
    Trajectory,
    ensemble_of,
    strain_of,
)
from potwright.dynamics.lammps_engine import LammpsEngine
from potwright.dynamics.metadynamics import Metadynamics
from potwright.dynamics.methods import (
    BasinHopping,
    MethodParameters,
    MinimaHopping,
    OnlyDynamics,
)
from potwright.dynamics.moves import Moves
from potwright.dynamics.recording import Measured, Recording
from potwright.dynamics.storage import read_trajectory, write_trajectory
from potwright.dynamics.swaps import Swaps
from potwright.dynamics.watching import (
    Collision,
    Complaint,
    Evaporation,
    FiniteNumbers,
    State,
    Temperature,
    Volume,
    Watch,
)

MDEngineParameters = Annotated[AseEngine | LammpsEngine, Field(discriminator="type")]

__all__ = [
    "AseEngine",
    "BasinHopping",
    "Bias",
    "BiasedPotential",
    "Collision",
    "Complaint",
    "Conditions",
    "Disagreement",
    "Dispersed",
    "DispersionParameters",
    "Driver",
    "Ensemble",
    "Evaporation",
    "FiniteNumbers",
    "LammpsEngine",
    "MDEngine",
    "MDEngineParameters",
    "Measured",
    "Metadynamics",
    "MethodParameters",
    "MinimaHopping",
    "Moves",
    "NoDispersion",
    "OnlyDynamics",
    "Recording",
    "Schedule",
    "State",
    "Strain",
    "Swaps",
    "Temperature",
    "Trajectory",
    "Volume",
    "Watch",
    "ensemble_of",
    "read_trajectory",
    "strain_of",
    "write_trajectory",
]
