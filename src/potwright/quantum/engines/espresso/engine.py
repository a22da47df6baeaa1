"""The parameters of Quantum ESPRESSO as an engine, and what they mean for pw.x."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from pydantic import Field, field_validator, model_validator

from potwright.errors import InputError
from potwright.parameters import Parameters
from potwright.quantum.engines.espresso import namelists
from potwright.quantum.engines.espresso.calculator import PwCalculator, dry_run
from potwright.quantum.engines.espresso.program import installed_version
from potwright.quantum.engines.espresso.protocols import PROTOCOLS
from potwright.quantum.engines.espresso.pseudopotentials import (
    Pseudopotential,
    cutoffs_ry,
    family_file,
    read_family,
    refuse_low_cutoffs,
    verify_files,
)
from potwright.quantum.engines.espresso.recoveries import RecoveryName
from potwright.quantum.engines.espresso.runs import run_for
from potwright.quantum.level_of_theory import LevelOfTheory

WHERE = "labelling.engine"
MAGNETONS_SINCE = (7, 3)  # before, starting_magnetization is a fraction
# before, bisection finds one of several Fermi levels where a smearing is not monotonic and there is
# a gap: Dos Santos and Marzari, Phys. Rev. B 107, 195122 (2023)
RIGHT_FERMI_LEVEL_SINCE = (6, 8)
NOT_MONOTONIC = ("cold", "methfessel-paxton")

logger = logging.getLogger(__name__)


class QuantumEspressoEngine(Parameters):
    """Density functional theory by pw.x: energy, forces and stress of one SCF calculation.

    Attributes
    ----------
    pseudopotential_folder
        Where the files are.
    pseudopotential_family
        JSON file with file names, md5 and cutoffs; None: the only one in the folder.
    species
        Symbols of all elements of the campaign. All structures are computed with the largest
        cutoffs of these elements: one basis for all.
    protocol
        Fills those of the next four that are None; see :data:`PROTOCOLS`.
    kpoint_distance_per_angstrom
        Largest distance of neighbouring k-points, Å⁻¹, with the factor 2π.
    smearing_width_ry
        Ry.
    scf_threshold_ry_per_atom, scf_threshold_ry
        Where the SCF ends: Ry per atom, or the same Ry for structures of any size.
    smearing
        Its kind.
    wavefunction_cutoff_ry, density_cutoff_ry
        Ry; None: the largest that the family recommends for ``species`` (the density's grows with
        a larger one of the wavefunctions). Lower ones are refused.
    mixing_beta, electron_maxstep
        Of the SCF; they change whether it converges, not to what, and are not part of the level of
        theory.
    starting_magnetisation
        pw.x's ``starting_magnetization`` by species: a fraction from −1 to 1 up to version 7.2,
        Bohr magnetons since 7.3. Not empty: with spin, and 0 for species that are not named.
    hubbard_u_ev, hubbard_projectors
        Static U in eV by manifold, such as ``Fe-3d``, and what they are projected on.
    vdw_corr
        Dispersion correction.
    assume_isolated
        ``mt`` for structures without periodic axis, ``2D`` for sheets in the xy plane.
    min_vacuum_angstrom
        Structures without periodic axis get a box with at least this much empty space, Å.
    further_input
        Other keys of pw.x by namelist (control, system, electrons). Those on which numbers depend
        are part of the level of theory.
    command, version
        How pw.x is started, with its MPI launcher; and its version, None: it is asked.
    walltime_seconds
        After which one run is ended; None: never.
    recoveries
        Tried in turn where the SCF does not converge; see :func:`path_of`.
    scratch_folder
        Where each run's own directory is made; None: where temporary files go.
    keep_failed_folder
        Where input and output of failed runs are kept; None: nowhere.
    """

    gamma_only: ClassVar[bool] = False
    min_length_angstrom: ClassVar[float | None] = None

    type: Literal["quantum_espresso"] = "quantum_espresso"
    pseudopotential_folder: Path
    pseudopotential_family: Path | None = None
    species: list[str] = Field(min_length=1)
    protocol: Literal["fast", "balanced", "stringent"] = "stringent"
    kpoint_distance_per_angstrom: float | None = Field(default=None, gt=0)
    smearing_width_ry: float | None = Field(default=None, gt=0)
    scf_threshold_ry_per_atom: float | None = Field(default=None, gt=0)
    scf_threshold_ry: float | None = Field(default=None, gt=0)
    smearing: Literal["cold", "gaussian", "fermi-dirac", "methfessel-paxton"] = "cold"
    wavefunction_cutoff_ry: float | None = Field(default=None, gt=0)
    density_cutoff_ry: float | None = Field(default=None, gt=0)
    mixing_beta: float = Field(default=0.4, gt=0, le=1)
    electron_maxstep: int = Field(default=80, ge=1)
    starting_magnetisation: dict[str, float] = Field(default_factory=dict)
    hubbard_u_ev: dict[str, float] = Field(default_factory=dict)
    hubbard_projectors: Literal["atomic", "ortho-atomic"] = "atomic"
    vdw_corr: Literal["grimme-d2", "grimme-d3", "ts-vdw", "mbd_vdw", "xdm"] | None = None
    assume_isolated: list[Literal["mt", "2D"]] = Field(default_factory=list)
    min_vacuum_angstrom: float = Field(default=10.0, gt=0)
    further_input: dict[str, dict[str, bool | int | float | str]] = Field(default_factory=dict)
    command: str = "pw.x"
    version: str | None = Field(default=None, pattern=r"^\d+\.\d+(\.\S+)?$")
    walltime_seconds: float | None = Field(default=None, gt=0)
    recoveries: tuple[RecoveryName, ...] = (
        "gentle_mixing",
        "local_mixing",
        "conjugate_gradients",
    )
    scratch_folder: Path | None = None
    keep_failed_folder: Path | None = None

    # ---------------------------------------------------------------- mistakes

    @field_validator("species")
    @classmethod
    def _are_elements(cls, species: list[str]) -> list[str]:
        unknown = [symbol for symbol in species if symbol not in atomic_numbers]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not the symbol of an element")
        return list(dict.fromkeys(species))

    @field_validator("version", mode="before")
    @classmethod
    def _is_text(cls, version: Any) -> Any:
        if isinstance(version, float | int):
            raise ValueError("YAML takes this for a number, and 7.10 for 7.1; put it in quotes")
        return version

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.scf_threshold_ry is not None and self.scf_threshold_ry_per_atom is not None:
            raise ValueError("give scf_threshold_ry or scf_threshold_ry_per_atom, not both")
        named = {"starting_magnetisation": set(self.starting_magnetisation)}
        manifolds = [namelists.split_manifold(name) for name in self.hubbard_u_ev]
        named["hubbard_u_ev"] = {symbol for symbol, _ in manifolds}
        for key, symbols in named.items():
            strange = sorted(symbols - set(self.species))
            if strange:
                raise ValueError(f"{key} names {strange[0]}, which is not in species")
        if len(manifolds) > len(named["hubbard_u_ev"]):
            raise ValueError("hubbard_u_ev names two manifolds of one species; pw.x takes one")
        return self

    def verify(self) -> None:
        """Compare pseudopotentials, cutoffs and keys, and let pw.x read it all in a dry run.

        Where ``version`` is given, pw.x need not be on this machine and is not started.

        Raises
        ------
        InputError
            Saying what is wrong and what is allowed.
        """
        namelists.check_further_input(self.further_input)
        largest = max(map(abs, self.starting_magnetisation.values()), default=0.0)
        if largest > 1 and self.version_numbers() < MAGNETONS_SINCE:
            raise InputError(
                f"{WHERE}.starting_magnetisation: {largest} is above 1, but up to version 7.2 pw.x "
                f"({self.exact_version()} here) wants a fraction of the valence electrons"
            )
        entries = self.entries()
        verify_files(entries, self.pseudopotential_folder)
        refuse_low_cutoffs(entries, self.wavefunction_cutoff_ry, self.density_cutoff_ry)
        if self.version_numbers() < RIGHT_FERMI_LEVEL_SINCE and self.smearing in NOT_MONOTONIC:
            logger.warning(
                "pw.x %s can take a wrong Fermi level where a structure has a gap and the smearing "
                "is %s: energies then jump by about 10 meV between neighbouring structures; use a "
                "newer pw.x, or labelling.engine.smearing: gaussian",
                self.exact_version(),
                self.smearing,
            )
        if self.version is None:
            self._make_folders()
            crystal = Atoms(self.species, cell=np.eye(3), pbc=True)
            dry_run(run_for(self, crystal), self.species)

    def _make_folders(self) -> None:
        for name in ("scratch_folder", "keep_failed_folder"):
            folder = getattr(self, name)
            try:
                if folder is not None:
                    folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"{WHERE}.{name} = '{folder}': {error}") from error

    # ---------------------------------------------------------------- what the labels depend on

    @property
    def includes_dispersion(self) -> bool:
        """With ``vdw_corr``, or a functional that has it."""
        functional = str(namelists.of_level(self.further_input).get("input_dft", "")).lower()
        return self.vdw_corr is not None or any(part in functional for part in ("vdw", "vv10"))

    def elements(self) -> frozenset[int]:
        """What ``species`` says."""
        return frozenset(atomic_numbers[symbol] for symbol in self.species)

    def exact_version(self) -> str:
        """Of pw.x, as given or as it tells itself."""
        return self.version or installed_version(self.command)

    def level_of_theory(self) -> LevelOfTheory:
        """What is converged to; the protocol by its figures, pseudopotentials by checksum."""
        entries = self.entries()
        wavefunction, density = cutoffs_ry(
            entries, self.wavefunction_cutoff_ry, self.density_cutoff_ry
        )
        settings: dict[str, Any] = {
            **self.sampling(),
            "smearing": self.smearing,
            "wavefunction_cutoff_ry": wavefunction,
            "density_cutoff_ry": density,
            "min_vacuum_angstrom": self.min_vacuum_angstrom,
            "pseudopotentials": {symbol: entry.md5 for symbol, entry in entries.items()},
        }
        # what is off is left out, so that a new option does not make another level of the old ones
        optional: dict[str, Any] = {
            "starting_magnetisation": self.starting_magnetisation,
            "hubbard_u_ev": self.hubbard_u_ev,
            "hubbard_projectors": self.hubbard_projectors if self.hubbard_u_ev else None,
            "vdw_corr": self.vdw_corr,
            "assume_isolated": sorted(self.assume_isolated),
            "further_input": namelists.of_level(self.further_input),
        }
        settings |= {key: value for key, value in optional.items() if value}
        return LevelOfTheory("quantum_espresso", self.exact_version(), settings)

    def __getstate__(self) -> dict[Any, Any]:
        """Take the version along to the workers: a pw.x of another version there is refused."""
        state = super().__getstate__()
        return state | {"__dict__": state["__dict__"] | {"version": self.exact_version()}}

    def make_calculator(self, structure: Atoms, recovery: str = "") -> PwCalculator:
        """One run of pw.x, in a directory of its own.

        Raises
        ------
        CalculationError
            If the structure has no cell, or is not as a correction wants it.
        """
        return PwCalculator(run_for(self, structure, recovery))

    # ---------------------------------------------------------------- the settings, resolved

    def version_numbers(self) -> tuple[int, int]:
        """Major and minor."""
        major, minor = self.exact_version().split(".")[:2]
        return int(major), int(minor)

    def entries(self) -> dict[str, Pseudopotential]:
        """Pseudopotentials by species, as the family says."""
        path = family_file(self.pseudopotential_folder, self.pseudopotential_family)
        return read_family(path, self.species, self.pseudopotential_folder)

    def sampling(self) -> dict[str, float]:
        """k-points, smearing and threshold: as given, else as the protocol says."""
        figures = dict(vars(PROTOCOLS[self.protocol]))
        if self.scf_threshold_ry is not None:
            figures["scf_threshold_ry"] = self.scf_threshold_ry
            del figures["scf_threshold_ry_per_atom"]
        given = {name: getattr(self, name) for name in figures}
        return figures | {name: value for name, value in given.items() if value is not None}
