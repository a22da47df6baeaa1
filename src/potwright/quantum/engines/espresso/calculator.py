"""One run of pw.x as an ASE calculator: ASE writes the input and reads the output."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from potwright.errors import InputError
from potwright.geometry import pad_vacuum
from potwright.quantum.engines.espresso.output import error_in, last_lines, refuse_failure
from potwright.quantum.engines.espresso.program import (
    PATIENCE_SECONDS,
    run_program,
    version_in,
)
from potwright.quantum.label import BAD_INPUT, CRASH, UNPHYSICAL, CalculationError

INPUT, OUTPUT, ERRORS = "espresso.pwi", "espresso.pwo", "espresso.err"
# pw.x looks at the clock between steps; what it cannot stop at in time, we end
SHARE_OF_PW = 0.95
# a file of this name makes it stop once it has read its input
STOP = "pwscf.EXIT"
HEADER = "Program PWSCF"
CHECKSUM = re.compile(r"MD5 check sum:\s*([0-9a-f]{32})")
HUBBARD = re.compile(
    r"^\s+([A-Z][a-z]?)\s+(\d)\s+\d+\.\d{4}(?:\s+-?\d+\.\d{4}){3}\s*$", re.MULTILINE
)


@dataclass(frozen=True)
class Run:
    """What one run of pw.x needs besides the structure.

    Attributes
    ----------
    namelists
        Keys of pw.x by namelist.
    kpoints
        Mesh, Γ included.
    pseudopotentials
        File name by species.
    cards
        Further cards of the input.
    magnetisation
        Starting magnetisation by species; None: no spin.
    command
        pw.x, with its MPI launcher.
    version
        Major and minor version that the level of theory says.
    checksums
        md5 of the pseudopotentials that the level of theory says.
    momenta
        Angular momentum of the Hubbard manifold by species, where pw.x chooses it.
    min_vacuum_angstrom
        Least empty space around a structure without periodic axis, Å.
    walltime_seconds
        After which the run is ended; None: never.
    scratch_folder, keep_failed_folder
        Where the run's own directory is made, None: where temporary files go; and where input and
        output of a failed one are kept, None: nowhere.
    """

    namelists: dict[str, dict[str, Any]]
    kpoints: tuple[int, int, int]
    pseudopotentials: dict[str, str]
    cards: tuple[str, ...]
    magnetisation: dict[str, float] | None
    command: str
    version: str
    checksums: frozenset[str]
    momenta: dict[str, int]
    min_vacuum_angstrom: float
    walltime_seconds: float | None
    scratch_folder: Path | None
    keep_failed_folder: Path | None


class PwCalculator(Calculator):
    """Energy, forces and stress by one run of pw.x in a directory of its own.

    ``energy`` is what pw.x calls the total energy: with smearing it holds −TS, and forces and
    stress are its derivatives.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, run: Run):
        super().__init__()
        self.run = run

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Run pw.x on ``atoms``.

        Raises
        ------
        CalculationError
            If there is no result, saying why.
        """
        super().calculate(atoms, properties, system_changes)
        with _directory(self.run, self.atoms) as folder:
            write_input(folder / INPUT, self.atoms, self.run)
            code = run_program(
                self.run.command,
                ["-in", INPUT],
                folder,
                folder / OUTPUT,
                folder / ERRORS,
                seconds=self.run.walltime_seconds,
            )
            output, errors = _text(folder / OUTPUT), _text(folder / ERRORS)
            refuse_failure(output, errors, code)
            refuse_another_level(output, self.run)
            self.results = _read(folder / OUTPUT, output)


def dry_run(run: Run, species: Sequence[str]) -> None:
    """Let pw.x read settings and pseudopotentials, and stop before it calculates.

    Parameters
    ----------
    run
        The settings.
    species
        Symbols; a made-up crystal has an atom of each.

    Raises
    ------
    InputError
        With what pw.x says.
    """
    places = np.outer(np.arange(len(species)), [0.0, 0.0, 3.0])
    atoms = Atoms(species, places, cell=[6.0, 6.0, 3.0 * len(species) + 3.0], pbc=True)
    where = f"labelling.engine: in a dry run, {run.command!r}"
    run = replace(run, kpoints=(1, 1, 2))
    with tempfile.TemporaryDirectory(prefix="potwright-pw-") as name:
        folder = Path(name).resolve()
        write_input(folder / INPUT, atoms, run)
        (folder / STOP).touch()
        paths = folder, folder / OUTPUT, folder / ERRORS
        code = run_program(run.command, ["-in", INPUT], *paths, seconds=PATIENCE_SECONDS)
        output, errors = _text(folder / OUTPUT), _text(folder / ERRORS)
    told = f"Its last lines:\n{last_lines(output, errors)}"
    if "JOB DONE" not in output:
        reason = error_in(output) or ("did not end" if code is None else "stopped")
        raise InputError(f"{where} does not take the settings: {reason}. {told}")
    if output.count(HEADER) > 1:
        raise InputError(
            f"{where} starts several pw.x that know nothing of each other. The launcher is of "
            "another MPI; name the one that pw.x was built with, such as /usr/bin/mpirun"
        )
    try:
        refuse_another_level(output, run)
    except CalculationError as error:
        raise InputError(f"{where}: {error}") from error


def write_input(path: Path, atoms: Atoms, run: Run) -> None:
    """Write the input of pw.x by ASE; species are numbered as they first appear."""
    from ase.calculators.espresso import EspressoProfile, EspressoTemplate

    positions, cell = atoms.positions, atoms.cell.array
    if not atoms.pbc.any():
        positions, cell = pad_vacuum(positions, cell, atoms.pbc, run.min_vacuum_angstrom)
    bare = Atoms(atoms.numbers, positions, cell=cell, pbc=True)
    if run.magnetisation is not None:
        moments = [run.magnetisation.get(symbol, 0.0) for symbol in bare.symbols]
        bare.set_initial_magnetic_moments(moments)
    namelists = {name: dict(keys) for name, keys in run.namelists.items()}
    if run.walltime_seconds is not None:
        namelists["control"]["max_seconds"] = run.walltime_seconds * SHARE_OF_PW
    parameters = {
        "input_data": namelists,
        "pseudopotentials": run.pseudopotentials,
        "kpts": None if _has_code_for_gamma(run) else run.kpoints,
        "additional_cards": list(run.cards),
    }
    template = EspressoTemplate()
    profile = EspressoProfile(run.command, namelists["control"]["pseudo_dir"])
    assert template.inputname == path.name
    template.write_input(profile, path.parent, bare, parameters, [])


def _has_code_for_gamma(run: Run) -> bool:
    """Whether pw.x may use its code for Γ alone, twice as fast, and wrong with the 2D cutoff.

    Version 6.7 then gives −30.7 instead of −35.6 eV for a sheet of H₂, and says nothing.
    """
    cutoff = run.namelists["system"].get("assume_isolated") == "2D"
    return run.kpoints == (1, 1, 1) and not cutoff


def refuse_another_level(output: str, run: Run) -> None:
    """Compare what pw.x says it used with what the level of theory says.

    Raises
    ------
    CalculationError
        If the version, a pseudopotential, the dispersion or the manifold of a U is another: on
        another machine the same name can mean another file.
    """
    version = version_in(output) or "unknown"
    checksums = set(CHECKSUM.findall(output)) - run.checksums
    momenta = {symbol: int(momentum) for symbol, momentum in HUBBARD.findall(output)}
    wrong = ""
    if ".".join(version.split(".")[:2]) != run.version:
        wrong = f"pw.x here is version {version}, the level of theory says {run.version}"
    elif checksums:
        wrong = f"pw.x here read a pseudopotential with md5 {min(checksums)}, not of the family"
    elif "No vdw correction used" in output:  # a warning of pw.x, which goes on without
        wrong = f"pw.x {version} does not know vdw_corr = {run.namelists['system']['vdw_corr']}"
    for symbol, momentum in run.momenta.items():
        if momenta.get(symbol, momentum) != momentum:
            wrong = (
                f"this version of pw.x applies U of {symbol} to the shell with l = "
                f"{momenta[symbol]}, hubbard_u_ev says l = {momentum}"
            )
    if wrong:
        raise CalculationError(BAD_INPUT, wrong, last_lines(output, ""))


def _read(path: Path, output: str) -> dict[str, Any]:
    from ase.io import read

    try:
        results = read(path, format="espresso-out").calc.results
        energy, forces = float(results["energy"]), np.array(results["forces"], dtype=float)
    except ValueError as error:  # such as columns that have run into each other
        message = f"pw.x prints numbers that are none: {error}"
        raise CalculationError(UNPHYSICAL, message, last_lines(output, "")) from error
    except (AssertionError, IndexError, KeyError, StopIteration, TypeError) as error:
        message = f"ASE cannot read the output of pw.x: {type(error).__name__}: {error}"
        raise CalculationError(CRASH, message, last_lines(output, "")) from error
    known = {"energy": energy, "free_energy": energy, "forces": forces}
    stress = results.get("stress")
    return known if stress is None else known | {"stress": np.array(stress, dtype=float)}


@contextmanager
def _directory(run: Run, atoms: Atoms) -> Iterator[Path]:
    """A directory for one run, removed at its end; of a failed one the small files may be kept."""
    if run.scratch_folder is not None:
        run.scratch_folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="potwright-pw-", dir=run.scratch_folder)).resolve()
    try:
        yield folder
    except CalculationError as error:
        if run.keep_failed_folder is None:
            raise
        kept = run.keep_failed_folder / f"{atoms.get_chemical_formula()}-{folder.name}"
        kept.mkdir(parents=True)
        for name in (INPUT, OUTPUT, ERRORS, "CRASH"):
            if (folder / name).is_file():
                shutil.copy(folder / name, kept)
        details = f"{error.details}\n(input and output are kept in {kept})"
        raise CalculationError(error.reason, error.message, details) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _text(path: Path) -> str:
    return path.read_text(errors="replace")
