"""Quantum ESPRESSO's pw.x: plane waves, pseudopotentials, k-points.

Everything about it is here: parameters and level of theory (``engine``), protocols and k-points
(``protocols``), families of pseudopotentials (``pseudopotentials``), what pw.x is told (``runs``,
``namelists``, ``recoveries``), one run (``calculator``, ``program``, ``guard``), and how it ended
(``output``). ASE writes the input and reads the output.
"""

from potwright.quantum.engines.espresso.engine import QuantumEspressoEngine

__all__ = ["QuantumEspressoEngine"]
