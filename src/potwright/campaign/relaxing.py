"""Structures relaxed by the engine that labels a campaign, before the campaign begins.

Published structures are minima of another level of theory: at the campaign's own they are strained,
and energies of different phases do not compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from potwright.campaign.labels import label_store
from potwright.errors import InputError
from potwright.files import complete_or_absent

if TYPE_CHECKING:
    from ase import Atoms

    from potwright.campaign import Campaign
    from potwright.configuration import ProjectParameters


@dataclass(frozen=True)
class Relaxed:
    """What became of one structure.

    Attributes
    ----------
    name
        Of its file, without suffix.
    file
        Where it was written; None: it was not.
    atoms_computed
        Atoms in the supercell that the engine saw.
    energy_per_atom
        eV, at the minimum; NaN where there is none.
    lengths_angstrom
        Of its lattice vectors, Å.
    why
        Why there is none.
    """

    name: str
    file: Path | None
    atoms_computed: int
    energy_per_atom: float = np.nan
    lengths_angstrom: tuple[float, ...] = ()
    why: str = ""


def relax_structures(
    campaign: Campaign, source: Path, folder: Path, *, max_force: float, max_steps: int
) -> list[Relaxed]:
    """Relax atoms and cells, and write an extended XYZ file for each structure into a folder.

    An engine that samples Γ only sees the supercell that augmentation will make, so that what is
    labelled later is a minimum. Labels go through the label store: a call that was interrupted goes
    on where it was.

    Parameters
    ----------
    campaign
        Whose ``labelling.engine`` relaxes.
    source
        A folder, a file or a pattern of anything that ASE reads.
    folder
        Where the files go, named as their sources. What is there is not replaced.
    max_force
        Largest force on an atom at the end, eV/Å; for the cell, of the virial per atom, eV.
    max_steps
        Evaluations of each structure at most.

    Raises
    ------
    InputError
        If a file is there already, the engine cannot run, or it does not know an element.
    """
    from potwright.execution import KeptWorkers
    from potwright.pipelines.validation.plans import NoResultError, in_supercells
    from potwright.pipelines.validation.relaxation import relax
    from potwright.pipelines.validation.surfaces import REFERENCE, Surfaces

    parameters = campaign.all_parameters
    structures = _structures(source, parameters)
    files = {name: folder / f"{name}.extxyz" for name in structures}
    for file in files.values():
        if file.exists():
            raise InputError(f"{file} is there already; remove it, or name another folder")
    engine = parameters.labelling.engine
    engine.verify()
    repeats = {name: _repeats(atoms, parameters) for name, atoms in structures.items()}
    with label_store(campaign) as store, KeptWorkers(parameters.labelling.executor) as workers:
        surfaces = Surfaces({}, engine, store, workers)
        for name, atoms in structures.items():
            surfaces.refuse_species(atoms.numbers, name)
        plans = {
            (REFERENCE, name): in_supercells(
                relax(atoms, cell=bool(atoms.pbc.any()), max_force=max_force, max_steps=max_steps),
                repeats[name],
            )
            for name, atoms in structures.items()
        }
        outcomes = surfaces.carry_out_all(plans)
    relaxed = []
    for (_, name), outcome in outcomes.items():
        computed = len(structures[name]) * int(np.prod(repeats[name]))
        if isinstance(outcome, NoResultError):
            relaxed.append(Relaxed(name, None, computed, why=str(outcome)))
            continue
        atoms, values = outcome
        _write(atoms, files[name])
        per_atom, lengths = values.energy / len(atoms), tuple(atoms.cell.lengths().tolist())
        relaxed.append(Relaxed(name, files[name], computed, per_atom, lengths))
    return relaxed


def _structures(source: Path, parameters: ProjectParameters) -> dict[str, Atoms]:
    """What is to be relaxed, with its vacuum, by the name of its file."""
    from potwright.datasets import StructuresDataset
    from potwright.pipelines.augmentation.vacuum import add_vacuum

    pes = add_vacuum(StructuresDataset(filepath=str(source)).load(), parameters.augmentation.vacuum)
    names = [_name(text) for text in pes.source.tolist()]
    if len(set(names)) < len(names):
        raise InputError(f"{source}: two structures have the same name, among {', '.join(names)}")
    return dict(zip(names, pes.to_atoms(), strict=True))


def _name(source: str) -> str:
    """Of a file, and of several structures in one."""
    path, _, number = source.partition("#")
    return Path(path).stem + (f"_{number}" if number else "")


def _repeats(atoms: Atoms, parameters: ProjectParameters) -> tuple[int, int, int]:
    """The supercell in which the engine has to see a structure: that of the augmentation."""
    from potwright.geometry import find_supercell

    asked = parameters.augmentation.supercells
    if not parameters.labelling.engine.gamma_only or not asked.enabled:
        return (1, 1, 1)
    found = find_supercell(
        atoms.cell.array, atoms.pbc, len(atoms), asked.min_length_angstrom, asked.max_atoms
    )
    first, second, third = found.matrix.diagonal().tolist()
    return first, second, third


def _write(atoms: Atoms, file: Path) -> None:
    import ase.io
    from ase import Atoms as Bare

    file.parent.mkdir(parents=True, exist_ok=True)
    bare = Bare(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    with complete_or_absent(file) as temporary:
        ase.io.write(temporary, bare, format="extxyz")
