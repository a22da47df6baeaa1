"""Any ASE calculator, by the path of its class."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import inspect
import shutil
import tempfile
import weakref
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any, ClassVar, Literal

from ase import Atoms
from ase.calculators.calculator import Calculator, FileIOCalculator
from ase.calculators.genericfileio import GenericFileIOCalculator
from ase.data import atomic_numbers
from pydantic import Field, field_validator

from potwright.errors import InputError
from potwright.parameters import Parameters
from potwright.quantum.level_of_theory import LevelOfTheory

WRITES_FILES = (FileIOCalculator, GenericFileIOCalculator)
INSTALLED = {"site-packages", "dist-packages"}  # folders of what pip and Debian install


class ASEEngine(Parameters):
    """An ASE calculator, such as ``ase.calculators.emt.EMT`` or one of your own.

    Attributes
    ----------
    calculator
        Path of the class.
    arguments
        What its constructor is called with. They are part of the level of theory; one that names
        an existing file enters with the file's content.
    declared
        What else the numbers depend on and ``arguments`` do not say, such as the version of a
        program that the calculator starts; part of the level of theory.
    includes_dispersion
        Whether its energies contain dispersion, which must then not be added in dynamics.
    gamma_only, min_length_angstrom
        Whether it samples the Γ point only, and the shortest periodic image that this describes
        well: if both are given, shorter cells get a warning.
    own_directory
        Whether each calculation gets a directory of its own, for calculators that write files;
        those of ASE's classes for such calculators always do.
    supported_elements
        Symbols that it knows, checked before anything runs; None: not checked.
    """

    recoveries: ClassVar[tuple[str, ...]] = ()

    type: Literal["ase"]
    calculator: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    includes_dispersion: bool = False
    declared: dict[str, str] = Field(default_factory=dict)
    gamma_only: bool = False
    min_length_angstrom: float | None = Field(default=None, gt=0)
    own_directory: bool = False
    supported_elements: list[str] | None = None

    @field_validator("supported_elements")
    @classmethod
    def _are_elements(cls, symbols: list[str] | None) -> list[str] | None:
        unknown = [s for s in symbols or [] if s not in atomic_numbers]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not the symbol of an element")
        return symbols

    def elements(self) -> frozenset[int] | None:
        """What ``supported_elements`` says."""
        if self.supported_elements is None:
            return None
        return frozenset(atomic_numbers[symbol] for symbol in self.supported_elements)

    def verify(self) -> None:
        """Make one calculator.

        Raises
        ------
        InputError
            If the class cannot be found, or refuses its arguments.
        """
        found = _class_at(self.calculator)
        self._refuse_unknown_arguments(found)
        try:
            self._make()
        except (TypeError, ValueError, KeyError, OSError, RuntimeError, ImportError) as error:
            raise InputError(
                f"labelling.engine.arguments: {self.calculator} cannot be made with "
                f"{self.arguments}: {type(error).__name__}: {error}"
            ) from error

    def level_of_theory(self) -> LevelOfTheory:
        """Class, arguments (files by content), what is declared, and the version of its package."""
        settings = {"calculator": self.calculator, "arguments": _by_content(self.arguments)}
        settings |= {"declared": self.declared} if self.declared else {}
        return LevelOfTheory("ase", _version_of(self.calculator), settings)

    def make_calculator(self, structure: Atoms, recovery: str = "") -> Calculator:
        """A fresh calculator, so that no structure's result depends on the one before."""
        return self._make()

    def _make(self) -> Calculator:
        found = _class_at(self.calculator)
        if not (self.own_directory or issubclass(found, WRITES_FILES)):
            return found(**self.arguments)
        folder = tempfile.mkdtemp(prefix="potwright-ase-")
        try:
            calculator = found(**{"directory": folder, **self.arguments})
        except BaseException:
            shutil.rmtree(folder)
            raise
        weakref.finalize(calculator, shutil.rmtree, folder, ignore_errors=True)
        return calculator

    def _refuse_unknown_arguments(self, found: Any) -> None:
        """ASE's base class accepts any keyword in silence; one nothing reads is a mistake."""
        defaults = getattr(found, "default_parameters", {})
        if not defaults or issubclass(found, WRITES_FILES):
            return  # programs have more keywords than their classes list
        allowed = set(defaults)
        for base in inspect.getmro(found)[:-1]:  # all but object
            constructor = vars(base).get("__init__")
            allowed |= set(inspect.signature(constructor).parameters) if constructor else set()
        for name in set(self.arguments) - allowed:
            nearest = difflib.get_close_matches(name, sorted(allowed), n=1, cutoff=0.4)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            raise InputError(
                f"labelling.engine.arguments.{name}: {self.calculator} has no such argument{hint} "
                f"(allowed: {', '.join(sorted(defaults))})"
            )


@lru_cache
def _class_at(path: str) -> type[Calculator]:
    where = f"labelling.engine.calculator = {path!r}"
    module_name, _, name = path.rpartition(".")
    if not module_name:
        raise InputError(f"{where}: give the full path of a class, such as ase.calculators.emt.EMT")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(
            f"{where}: cannot import {module_name!r} ({error}); is its package installed?"
        ) from error
    found = getattr(module, name, None)
    if not inspect.isclass(found):
        classes = [n for n, v in vars(module).items() if inspect.isclass(v)]
        nearest = difflib.get_close_matches(name, classes, n=1, cutoff=0.4)
        hint = f"; did you mean {module_name}.{nearest[0]}?" if nearest else ""
        raise InputError(f"{where}: {module_name!r} has no class {name!r}{hint}")
    return found


@lru_cache
def _version_of(path: str) -> str:
    """Version of the package that holds a class; for a loose module, a hash of its source."""
    package = path.partition(".")[0]
    try:
        return version(package)
    except PackageNotFoundError:
        source = inspect.getsourcefile(_class_at(path))
    if not source or INSTALLED & set(Path(source).parts):  # a package may have another name
        distributions = packages_distributions().get(package)  # 0.3 s
        if distributions:
            return version(distributions[0])
    return f"source-{_checksum(Path(source))}" if source else "unknown"


def _by_content(value: Any) -> Any:
    """``value`` with names of files replaced by what is in them."""
    if isinstance(value, dict):
        return {key: _by_content(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_by_content(v) for v in value]
    if isinstance(value, str) and Path(value).is_file():
        return f"file-{_checksum(Path(value))}"
    return value


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
