"""Species that models know, and a clear word where they do not."""

from __future__ import annotations

from collections.abc import Iterable

from ase.data import chemical_symbols

from potwright.errors import InputError


def refuse_unknown(
    species: Iterable[int], known: Iterable[int], who: str = "the committee"
) -> None:
    """Refuse species that models do not know.

    Parameters
    ----------
    species
        Atomic numbers of what is to be evaluated or trained.
    known
        Those that the models know.
    who
        They, in the message.

    Raises
    ------
    InputError
        Naming the species.
    """
    unknown = set(map(int, species)) - set(map(int, known))
    if unknown:
        raise InputError(
            f"{who} does not know {in_symbols(unknown)}; it was trained on {in_symbols(known)}"
        )


def in_symbols(numbers: Iterable[int]) -> str:
    """Species as a reader names them.

    >>> in_symbols([79, 29])
    'Cu, Au'
    """
    return ", ".join(chemical_symbols[int(z)] for z in sorted(numbers))
