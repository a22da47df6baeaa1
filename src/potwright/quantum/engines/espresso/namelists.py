"""Keys of pw.x that depend on the structure or on the version, and those that users may add."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms

from potwright.errors import InputError
from potwright.quantum.engines.espresso.recoveries import PATH
from potwright.quantum.label import BAD_INPUT, CalculationError

WHERE = "labelling.engine.further_input"
MANIFOLD = re.compile(r"([A-Z][a-z]?)-(\d)([spdf])")
HUBBARD_CARD_SINCE = (7, 1)
PARALLEL = 1e-6
"""Å: how far a sheet's lattice vectors may stick out where pw.x wants them in a plane."""

SECTIONS = ("control", "system", "electrons")
# keys of CONTROL that no number depends on
NEUTRAL = frozenset({"disk_io", "title", "verbosity", "wf_collect", "lkpoint_dir", "iprint"})
# keys that the engine writes itself, and which of its settings says what
TAKEN = {
    "calculation": "",
    "outdir": "scratch_folder",
    "wfcdir": "scratch_folder",
    "prefix": "",
    "pseudo_dir": "pseudopotential_folder",
    "tprnfor": "",
    "tstress": "",
    "restart_mode": "",
    "max_seconds": "walltime_seconds",
    "ibrav": "",
    "celldm": "",
    "nat": "",
    "ntyp": "",
    "ecutwfc": "wavefunction_cutoff_ry",
    "ecutrho": "density_cutoff_ry",
    "occupations": "smearing",
    "smearing": "smearing",
    "degauss": "smearing_width_ry",
    "nspin": "starting_magnetisation",
    "starting_magnetization": "starting_magnetisation",
    "lda_plus_u": "hubbard_u_ev",
    "hubbard_u": "hubbard_u_ev",
    "u_projection_type": "hubbard_projectors",
    "vdw_corr": "vdw_corr",
    "assume_isolated": "assume_isolated",
    "conv_thr": "scf_threshold_ry_per_atom",
    "mixing_beta": "mixing_beta",
    "electron_maxstep": "electron_maxstep",
    "scf_must_converge": "",
}


def isolation(wanted: Sequence[str], structure: Atoms) -> dict[str, str]:
    """Corrections for what is not periodic, where they mean something.

    Parameters
    ----------
    wanted
        ``mt`` (Martyna and Tuckerman, J. Chem. Phys. 110, 2810 (1999)) for molecules, ``2D``
        (Sohier, Calandra, Mauri, Phys. Rev. B 96, 075448 (2017)) for sheets.
    structure
        With its true periodicity.

    Raises
    ------
    CalculationError
        If a sheet does not lie in the xy plane, as pw.x wants it.
    """
    periodic = int(structure.pbc.sum())
    if periodic == 0 and "mt" in wanted:
        return {"assume_isolated": "mt"}
    if periodic != 2 or "2D" not in wanted:
        return {}
    sticking_out = np.abs([*structure.cell[:2, 2], *structure.cell[2, :2]]).max()
    if structure.pbc[2] or sticking_out > PARALLEL:
        raise CalculationError(
            BAD_INPUT,
            "assume_isolated 2D wants a sheet in the xy plane, its third lattice vector along z; "
            "turn the structure, or leave 2D out of labelling.engine.assume_isolated",
        )
    return {"assume_isolated": "2D"}


def hubbard(
    u_ev: Mapping[str, float], projectors: str, present: Sequence[str], version: tuple[int, int]
) -> tuple[dict[str, Any], tuple[str, ...], dict[str, int]]:
    """Static U, in the syntax of the version: namelist keys up to 7.0, a card since 7.1.

    Parameters
    ----------
    u_ev
        U in eV by manifold, such as ``Fe-3d``.
    projectors
        ``atomic`` or ``ortho-atomic``.
    present
        Species in the order in which the input lists them.
    version
        Of pw.x.

    Returns
    -------
    system, cards, momenta
        Keys of SYSTEM, further cards, and the angular momentum that is meant by species, where
        pw.x chooses the manifold by itself.
    """
    wanted = {split_manifold(name): u for name, u in u_ev.items()}
    wanted = {manifold: u for manifold, u in wanted.items() if manifold[0] in present}
    if not wanted:
        return {}, (), {}
    if version >= HUBBARD_CARD_SINCE:
        lines = [f"U {symbol}-{shell} {u!r}" for (symbol, shell), u in wanted.items()]
        return {}, ("\n".join([f"HUBBARD ({projectors})", *lines]),), {}
    keys: dict[str, Any] = {"lda_plus_u": True, "u_projection_type": projectors}
    keys |= {f"hubbard_u({present.index(symbol) + 1})": u for (symbol, _), u in wanted.items()}
    return keys, (), {symbol: "spdf".index(shell[-1]) for symbol, shell in wanted}


def split_manifold(name: str) -> tuple[str, str]:
    """``Fe-3d`` is ``("Fe", "3d")``.

    Raises
    ------
    ValueError
        If it is no such name.
    """
    found = MANIFOLD.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} does not name a manifold; write it like Fe-3d")
    return found.group(1), found.group(2) + found.group(3)


def check_further_input(further: Mapping[str, Mapping[str, Any]]) -> None:
    """Find keys that pw.x does not know, or that the engine writes itself.

    Raises
    ------
    InputError
        With the nearest valid name, or the setting to use.
    """
    from ase.io.espresso_namelist.keys import ALL_KEYS

    for section, keys in further.items():
        if section not in SECTIONS:
            raise InputError(
                f"{WHERE}.{section}: unknown namelist (allowed: {', '.join(SECTIONS)})"
            )
        known = [key.lower() for key in ALL_KEYS["pw"][section]]
        for key in keys:
            name = _stem(key)
            if name in TAKEN:
                use = f"; use labelling.engine.{TAKEN[name]}" if TAKEN[name] else ""
                raise InputError(f"{WHERE}.{section}.{key}: the engine itself writes this key{use}")
            if name not in known:
                nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
                hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
                raise InputError(f"{WHERE}.{section}.{key}: pw.x has no such key{hint}")


def of_level(further: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Those of the added keys on which numbers depend."""
    return {
        key.lower(): value
        for keys in further.values()
        for key, value in keys.items()
        if _stem(key) not in PATH | NEUTRAL
    }


def _stem(key: str) -> str:
    return key.partition("(")[0].strip().lower()
