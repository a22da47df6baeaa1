"""From the engine's parameters and a structure to one run of pw.x."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from potwright.geometry import is_degenerate
from potwright.quantum.engines.espresso import namelists
from potwright.quantum.engines.espresso.calculator import Run
from potwright.quantum.engines.espresso.protocols import kpoint_mesh
from potwright.quantum.engines.espresso.pseudopotentials import Pseudopotential, cutoffs_ry
from potwright.quantum.engines.espresso.recoveries import path_of
from potwright.quantum.label import BAD_INPUT, CalculationError

if TYPE_CHECKING:
    from potwright.quantum.engines.espresso.engine import QuantumEspressoEngine


def run_for(engine: QuantumEspressoEngine, structure: Atoms, recovery: str = "") -> Run:
    """What pw.x is told.

    Parameters
    ----------
    engine
        The settings.
    structure
        With its true periodicity.
    recovery
        Name of a rung of the ladder; empty: as asked for.

    Raises
    ------
    CalculationError
        If the structure has no cell, or is not as a correction wants it.
    """
    cell, pbc = structure.cell.array, structure.pbc
    if pbc.any() and is_degenerate(cell, np.ones(3, dtype=bool)):
        message = "the cell has no volume, and plane waves need one; add vacuum"
        raise CalculationError(BAD_INPUT, message)
    present = list(dict.fromkeys(structure.symbols))
    entries = engine.entries()
    hubbard, cards, momenta = namelists.hubbard(
        engine.hubbard_u_ev, engine.hubbard_projectors, present, engine.version_numbers()
    )
    told = _namelists(engine, structure, entries, hubbard)
    told["electrons"] |= path_of(recovery, engine.mixing_beta, engine.electron_maxstep)
    return Run(
        namelists=told,
        kpoints=kpoint_mesh(cell, pbc, engine.sampling()["kpoint_distance_per_angstrom"]),
        pseudopotentials={symbol: entries[symbol].filename for symbol in present},
        cards=cards,
        magnetisation=engine.starting_magnetisation or None,
        command=engine.command,
        version=".".join(map(str, engine.version_numbers())),
        checksums=frozenset(entry.md5 for entry in entries.values()),
        momenta=momenta,
        min_vacuum_angstrom=engine.min_vacuum_angstrom,
        walltime_seconds=engine.walltime_seconds,
        scratch_folder=engine.scratch_folder,
        keep_failed_folder=engine.keep_failed_folder,
    )


def _namelists(
    engine: QuantumEspressoEngine,
    structure: Atoms,
    entries: dict[str, Pseudopotential],
    hubbard: dict[str, Any],
) -> dict[str, dict[str, Any]]:
    """All but the path of the SCF."""
    sampling = engine.sampling()
    wavefunction, density = cutoffs_ry(
        entries, engine.wavefunction_cutoff_ry, engine.density_cutoff_ry
    )
    threshold = sampling.get("scf_threshold_ry")
    if threshold is None:
        threshold = sampling["scf_threshold_ry_per_atom"] * len(structure)
    own: dict[str, dict[str, Any]] = {
        "control": {
            "calculation": "scf",
            "tprnfor": True,
            "tstress": bool(structure.pbc.any()),
            "disk_io": "none",
            "outdir": "./",
            "pseudo_dir": str(engine.pseudopotential_folder.resolve()),
        },
        "system": {
            "ecutwfc": wavefunction,
            "ecutrho": density,
            "occupations": "smearing",
            "smearing": engine.smearing,
            "degauss": sampling["smearing_width_ry"],
            **({"nspin": 2} if engine.starting_magnetisation else {}),
            **({"vdw_corr": engine.vdw_corr} if engine.vdw_corr else {}),
            **namelists.isolation(engine.assume_isolated, structure),
            **hubbard,
        },
        "electrons": {"conv_thr": threshold},
    }
    return {name: own[name] | engine.further_input.get(name, {}) for name in own}
