"""What potentials are made with: one line here for each backend.

>>> sorted(BACKENDS)
['mace', 'metatrain']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from potwright.errors import InputError
from potwright.potentials import mace, metatomic
from potwright.potentials.protocol import Evaluator, Potential


@dataclass(frozen=True)
class Backend:
    """How the models of one kind are opened.

    Attributes
    ----------
    potential
        The potential in a file.
    evaluator
        The evaluator of several files on a device.
    package
        Whose release decides what its models say.
    """

    potential: Callable[[Path], Potential]
    evaluator: Callable[[Sequence[Path], str], Evaluator]
    package: str


BACKENDS: Mapping[str, Backend] = {
    "mace": Backend(mace.MACEPotential, mace.evaluator, "mace-torch"),
    "metatrain": Backend(metatomic.MetatomicPotential, metatomic.evaluator, "metatomic-torch"),
}


def backend_of(known: str | Mapping[str, Any]) -> Backend:
    """The backend of that name, or the one that a committee's record names.

    Raises
    ------
    InputError
        If there is no such backend.
    """
    name = known if isinstance(known, str) else str(known.get("backend", "mace"))
    if name not in BACKENDS:
        raise InputError(f"backend {name!r} is not known; there are {', '.join(sorted(BACKENDS))}")
    return BACKENDS[name]
