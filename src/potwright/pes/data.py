"""PESData: one immutable, columnar container for S structures with N atoms in all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from potwright.pes import columns

if TYPE_CHECKING:
    import pandas as pd
    from ase import Atoms

    from potwright.pes.hdf5 import StoredColumns

Index = slice | np.ndarray | Sequence[int] | Sequence[bool]


class _Column:
    """An attribute that is a column: read from file when it is first used, then kept."""

    def __init__(self, doc: str):
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, pes: PESData | None, owner: type) -> np.ndarray:
        if pes is None:
            return self  # type: ignore[return-value]
        return pes._column(self.name)


class PESData:
    """Structures of any sizes, labelled or not, as arrays.

    Make one with :meth:`from_atoms`, :meth:`read` or :meth:`from_columns`; change one with
    :meth:`replace`, indexing or :meth:`concatenate`, each of which gives a new container. The
    arrays are read-only. A container from a file reads a column when it is first used.

    Examples
    --------
    >>> from ase.build import bulk
    >>> pes = PESData.from_atoms([bulk("Cu"), bulk("Si")], origin="initial")
    >>> pes[pes.n_atoms > 1].numbers.tolist()
    [14, 14]
    """

    numbers = _Column("Atomic numbers, shape (N,).")
    positions = _Column("Positions, shape (N, 3), Å.")
    forces = _Column("Forces, shape (N, 3), eV/Å; NaN where there is none.")
    offsets = _Column("Atoms of structure i are ``offsets[i]:offsets[i + 1]``; shape (S + 1,).")
    cell = _Column("Lattice vectors as rows, shape (S, 3, 3), Å.")
    pbc = _Column("Which directions are really periodic, shape (S, 3).")
    energy = _Column("Force-consistent energy, shape (S,), eV; NaN where there is none.")
    stress = _Column("Stress, shape (S, 6), eV/Å³, ASE's sign and Voigt order; NaN: none.")
    id = _Column("Content id, shape (S,), 32 hexadecimal digits.")
    origin = _Column("How the structure came about, shape (S,): initial, rattle, md, …")
    parent = _Column("Id of the structure it was made from, shape (S,); empty if none.")
    split = _Column("unassigned, training, validation or test; shape (S,).")
    iteration = _Column("The iteration in which it entered, shape (S,).")
    level_of_theory = _Column("Hash of what labelled it, shape (S,); empty if nothing did.")
    source = _Column("File, database id or URL of the input it descends from, shape (S,).")
    info = _Column("Further metadata, shape (S,), a dictionary of JSON values each.")

    def __init__(self, held: dict[str, np.ndarray], stored: StoredColumns | None = None):
        """Not for users: ``held`` must be complete and consistent, or ``stored`` given."""
        self._held = held
        self._stored = stored
        for array in held.values():
            array.flags.writeable = False

    # ---------------------------------------------------------------- making one

    @classmethod
    def from_columns(cls, **given: Any) -> Self:
        """Build from arrays; what is not given is filled (labels with NaN).

        Parameters
        ----------
        **given
            Columns by name; ``numbers``, ``positions``, ``offsets``, ``cell`` and ``pbc`` are
            required. Columns per structure may be scalars. Names that are not standard become
            typed columns of their own, see :attr:`typed`.

        Raises
        ------
        InputError
            If a shape or a value cannot be; the message names column and structure.
        """
        from potwright.pes.assembly import assemble

        return cls(assemble(given))

    @classmethod
    def from_atoms(
        cls, atoms: Sequence[Atoms], *, labels: str = "calculator", **metadata: Any
    ) -> Self:
        """Convert ASE structures.

        Parameters
        ----------
        atoms
            The structures.
        labels
            Where energy, forces and stress are: ``"calculator"`` (the attached calculator's
            results), a prefix of keys (``"REF_"``, ``"dft_"``, or ``""`` for plain ``energy``,
            ``forces``, ``stress``), or ``"none"``.
        **metadata
            ``origin``, ``source``, ``parent``, ``group``, ``split``, ``iteration``,
            ``level_of_theory``: one value for all, or one per structure.

        Raises
        ------
        InputError
            For what cannot be represented; the message names the structure and the key.
        """
        from potwright.pes.conversion import columns_from_atoms

        return cls.from_columns(**{**columns_from_atoms(atoms, labels), **metadata})

    @classmethod
    def empty(cls) -> Self:
        """A container of no structures."""
        return cls.from_columns(
            numbers=np.empty(0),
            positions=np.empty((0, 3)),
            offsets=np.zeros(1),
            cell=np.empty((0, 3, 3)),
            pbc=np.empty((0, 3)),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[PESData]) -> Self:
        """All structures of ``parts``, in order; typed columns that a part lacks are filled."""
        from potwright.pes.assembly import concatenated

        return cls(concatenated([part._all() for part in parts])) if parts else cls.empty()

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Open an HDF5 file written by :meth:`write`; columns are read when they are used.

        Raises
        ------
        InputError
            If the file does not exist or is not such a file.
        """
        from potwright.pes.hdf5 import StoredColumns

        return cls({}, StoredColumns(Path(path)))

    def write(self, path: str | Path) -> None:
        """Write one HDF5 file, atomically: it is complete, or it is not there."""
        from potwright.pes.hdf5 import write

        write(self._all(), Path(path))

    # ---------------------------------------------------------------- looking at it

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        labelled = int(self.has_labels.sum())
        return (
            f"PESData({len(self)} structures, {int(self.offsets[-1])} atoms, {labelled} labelled)"
        )

    @property
    def group(self) -> np.ndarray:
        """What must stay on one side of a split, shape (S,); a structure's own id by default."""
        group = self._column("group")
        return np.where(group == "", self.id, group)

    @property
    def n_atoms(self) -> np.ndarray:
        """Number of atoms of each structure, shape (S,)."""
        return np.diff(self.offsets)

    @property
    def structure_of_atom(self) -> np.ndarray:
        """Index of the structure that each atom belongs to, shape (N,)."""
        return np.repeat(np.arange(len(self)), self.n_atoms)

    @property
    def has_labels(self) -> np.ndarray:
        """Which structures have an energy, shape (S,)."""
        return ~np.isnan(self.energy)

    @property
    def species(self) -> list[int]:
        """Atomic numbers that occur, ascending."""
        return np.unique(self.numbers).tolist()

    @property
    def typed(self) -> Mapping[str, np.ndarray]:
        """Typed columns beyond the standard ones, by name, first dimension S."""
        return {name: self._column(name) for name in self._names() if not _is_standard(name)}

    def index_of(self, ids: Sequence[str] | np.ndarray) -> np.ndarray:
        """Where each of ``ids`` is, shape (len(ids),); −1 where it is absent."""
        place = {id_: i for i, id_ in enumerate(self.id.tolist())}
        return np.array([place.get(str(id_), -1) for id_ in ids], dtype=np.int64)

    def summary(self) -> pd.DataFrame:
        """Structures, atoms and labels by origin."""
        from potwright.pes.summary import summarise

        return summarise(self)

    # ---------------------------------------------------------------- deriving another

    def __getitem__(self, index: Index) -> PESData:
        """The structures that a slice, a boolean mask or an integer array names, in its order."""
        from potwright.pes.assembly import rows, take

        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if self._stored is not None and step == 1:
                return PESData(self._stored.read_range(start, max(start, stop)))
        return PESData(take(self._all(), rows(index, len(self))))

    def chunks(self, size: int) -> Iterator[PESData]:
        """Consecutive pieces of ``size`` structures, one in memory at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def replace(self, **changes: Any) -> PESData:
        """The same structures with some columns changed; ids follow the geometry."""
        given = {**self._all(), **changes}
        given.pop("id")
        return PESData.from_columns(**given)

    def drop_duplicates(self) -> PESData:
        """The first of all structures that share an id."""
        _, first = np.unique(self.id, return_index=True)
        return self if len(first) == len(self) else self[np.sort(first)]

    def to_atoms(self, *, engine_pbc: bool = False) -> list[Atoms]:
        """Convert to ASE structures, labels in a ``SinglePointCalculator``.

        Parameters
        ----------
        engine_pbc
            If true, a structure that is periodic in some direction is made periodic in all, as
            engines that need a full cell see it.
        """
        from potwright.pes.conversion import atoms_from_columns

        return atoms_from_columns(self, engine_pbc=engine_pbc)

    # ---------------------------------------------------------------- columns

    def _column(self, name: str) -> np.ndarray:
        if name not in self._held:
            if self._stored is None:
                raise AttributeError(f"PESData has no column {name!r}")
            array = self._stored.read(name)
            array.flags.writeable = False
            self._held[name] = array
        return self._held[name]

    def _names(self) -> list[str]:
        return list(self._held) if self._stored is None else self._stored.names

    def _all(self) -> dict[str, np.ndarray]:
        return {name: self._column(name) for name in self._names()}


def _is_standard(name: str) -> bool:
    return (
        name in columns.PER_ATOM
        or name in columns.PER_STRUCTURE
        or name in columns.TEXT
        or name in ("offsets", "info")
    )
