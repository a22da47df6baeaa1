"""Molecular dynamics: engines, ensembles by periodicity, and what is watched.

A new engine is one module with a block of parameters that follows :class:`MDEngine`, and its name
in ``MDEngineParameters`` below.
"""

from typing import Annotated

from pydantic import Field

from potwright.dynamics.ase_engine import AseEngine
from potwright.dynamics.engine import Conditions, Driver, MDEngine, Schedule, Trajectory
from potwright.dynamics.lammps_engine import LammpsEngine
from potwright.dynamics.storage import read_trajectory, write_trajectory
from potwright.dynamics.watching import (
    Collision,
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
    "Collision",
    "Conditions",
    "Driver",
    "Evaporation",
    "FiniteNumbers",
    "LammpsEngine",
    "MDEngine",
    "MDEngineParameters",
    "Schedule",
    "State",
    "Temperature",
    "Trajectory",
    "Volume",
    "Watch",
    "read_trajectory",
    "write_trajectory",
]
