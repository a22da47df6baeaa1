"""Species: how they are named, which ones models know, and a clear word where they do not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from ase.data import atomic_numbers, chemical_symbols
from pydantic import AfterValidator

from potwright.errors import InputError


def _symbol(symbol: str) -> str:
    if symbol not in atomic_numbers or symbol == "X":
        raise ValueError("not the symbol of a chemical element, such as C or Mo")
    return symbol


Symbol = Annotated[str, AfterValidator(_symbol)]
"""A chemical element in a block of parameters."""


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
