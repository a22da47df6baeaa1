"""What is not worth a calculation: counted by reason, never dropped in silence.

Skewness means nothing before reduction, since the same lattice can be written with vectors as
skewed as one likes. After it hardly any is left: Minkowski-reduced vectors enclose V ≥ abc/√2. What
a lattice sheared out of shape has, once reduced, is one long and one short vector. The rule on skew
is therefore one on this elongation, relative to the parent's, as that on the volume is. A cell
without volume, which cannot be reduced, is dropped whatever its parent.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from ase.data import chemical_symbols

from potwright.errors import InputError
from potwright.geometry import engine_pbc, shortest_image, smallest_covalent_ratio
from potwright.geometry.cells import FLATNESS
from potwright.pes import PESData
from potwright.pipelines.labelling.near_duplicates import near_duplicates
from potwright.pipelines.labelling.parameters import ScreeningParameters
from potwright.pipelines.labelling.parents import elongation_ratios, volume_ratios
from potwright.quantum import Engine

logger = logging.getLogger(__name__)

KEPT = ""
NOT_FINITE = "not finite"
DUPLICATE = "duplicate"
TOO_MANY_ATOMS = "too many atoms"
FLAT_CELL = "flat cell"
COMPRESSED = "volume too small"
EXPANDED = "volume too large"
ELONGATED = "cell out of shape"
COLLISION = "atoms too close"
NEAR_DUPLICATE = "near-duplicate"


def reasons_to_drop(
    candidates: PESData,
    ancestors: Sequence[PESData],
    parameters: ScreeningParameters,
    labelled: PESData | None = None,
) -> np.ndarray:
    """Why each candidate is dropped.

    Parameters
    ----------
    candidates
        What might be labelled.
    ancestors
        Where parents are looked up; a candidate whose parent is not there is not compared.
    parameters
        Limits.
    labelled
        What has a label already; near-duplicates of it are dropped, too.

    Returns
    -------
    np.ndarray
        Text, shape (S,); empty for what is kept. The first rule that applies gives the reason.
    """
    reasons = np.full(len(candidates), KEPT, dtype="<U32")

    def drop(mask: np.ndarray, reason: str) -> None:
        reasons[mask & (reasons == KEPT)] = reason

    drop(~_finite(candidates), NOT_FINITE)
    drop(_repeated(candidates), DUPLICATE)
    if parameters.max_atoms is not None:
        drop(candidates.n_atoms > parameters.max_atoms, TOO_MANY_ATOMS)
    drop(_flat(candidates), FLAT_CELL)
    ratio = volume_ratios(candidates, ancestors)
    drop(ratio < parameters.min_volume_ratio, COMPRESSED)
    drop(ratio > parameters.max_volume_ratio, EXPANDED)
    ratio = elongation_ratios(candidates, ancestors, reasons == KEPT)
    drop(ratio > parameters.max_elongation_ratio, ELONGATED)
    drop(_colliding(candidates, parameters.min_covalent_ratio, reasons == KEPT), COLLISION)
    if parameters.near_duplicate_angstrom is not None:
        tolerance = parameters.near_duplicate_angstrom
        near = _near_repeated(candidates, labelled, tolerance, reasons == KEPT)
        drop(near, NEAR_DUPLICATE)
    return reasons


def count(candidates: PESData, reasons: np.ndarray, warn_fraction: float) -> pd.DataFrame:
    """Report what was dropped, by origin and reason; warn where it is much.

    Returns
    -------
    pandas.DataFrame
        One row per dropped structure: id, origin, audit, n_atoms, reason.
    """
    dropped = reasons != KEPT
    report = pd.DataFrame(
        {
            "id": candidates.id[dropped],
            "origin": candidates.origin[dropped],
            "audit": [bool(info.get("audit", False)) for info in candidates.info[dropped]],
            "n_atoms": candidates.n_atoms[dropped],
            "reason": reasons[dropped],
        }
    )
    pairs = zip(candidates.origin[dropped].tolist(), reasons[dropped].tolist(), strict=True)
    for (origin, reason), n in sorted(Counter(pairs).items()):
        logger.info("screening drops %d structures of origin %s: %s", n, origin, reason)
    for origin in np.unique(candidates.origin):
        of_origin = candidates.origin == origin
        fraction = dropped[of_origin].mean()
        if fraction > warn_fraction:
            logger.warning(
                "screening drops %.0f %% of the %d structures of origin %s",
                100 * fraction,
                of_origin.sum(),
                origin,
            )
    return report


def nothing_dropped() -> pd.DataFrame:
    """The report of :func:`count` on what is not screened."""
    return pd.DataFrame(columns=["id", "origin", "audit", "n_atoms", "reason"])


def refuse_unknown_elements(candidates: PESData, engine: Engine) -> None:
    """Find elements that the engine does not know before anything is paid for.

    Raises
    ------
    InputError
        Naming the elements and a structure that holds them.
    """
    known = engine.elements()
    unknown = sorted(set(candidates.species) - known) if known is not None else []
    if unknown:
        atom = int(np.flatnonzero(np.isin(candidates.numbers, unknown))[0])
        i = int(candidates.structure_of_atom[atom])
        origin = candidates.source[i] or f"{candidates.origin[i]} structure {candidates.id[i]}"
        symbols = ", ".join(chemical_symbols[z] for z in unknown)
        raise InputError(
            f"labelling.engine {engine.level_of_theory()} does not know {symbols}, found in "
            f"{origin}; remove the structure, or use another engine or settings that include it"
        )


def warn_of_short_cells(candidates: PESData, engine: Engine) -> None:
    """Say which periodic cells are too short for an engine that samples the Γ point only."""
    limit = engine.min_length_angstrom
    if limit is None or not engine.gamma_only:
        return
    lengths = np.array(
        [shortest_image(c, p) for c, p in zip(candidates.cell, candidates.pbc, strict=True)]
    )
    short = lengths < limit
    if not short.any():
        return
    i = int(np.argmin(lengths))
    counts = Counter(candidates.origin[short].tolist())
    logger.warning(
        "%d periodic structures repeat within %.1f Å (%s), the shortest within %.2f Å (%s): %s "
        "samples the Γ point only and is accurate for longer cells",
        short.sum(),
        limit,
        ", ".join(f"{n} {origin}" for origin, n in sorted(counts.items())),
        lengths[i],
        candidates.source[i] or candidates.id[i],
        engine.level_of_theory().engine,
    )


def _finite(candidates: PESData) -> np.ndarray:
    bad_atoms = ~np.isfinite(candidates.positions).all(axis=1)
    bad = np.zeros(len(candidates), dtype=bool)
    bad[candidates.structure_of_atom[bad_atoms]] = True
    return ~bad & np.isfinite(candidates.cell).all(axis=(1, 2))


def _repeated(candidates: PESData) -> np.ndarray:
    repeated = np.ones(len(candidates), dtype=bool)
    repeated[np.unique(candidates.id, return_index=True)[1]] = False
    return repeated


def _flat(candidates: PESData) -> np.ndarray:
    periodic = candidates.pbc.any(axis=1)
    lengths = np.linalg.norm(candidates.cell, axis=2)
    whole = periodic & (lengths > 0).all(axis=1)
    flat = periodic & ~whole  # engines see full periodicity: a vector is missing
    directions = candidates.cell[whole] / lengths[whole, :, None]
    flat[whole] = np.abs(np.linalg.det(directions)) < FLATNESS
    return flat


def _near_repeated(
    candidates: PESData, labelled: PESData | None, tolerance: float, sane: np.ndarray
) -> np.ndarray:
    known = PESData.empty() if labelled is None else labelled[~_flat(labelled)]
    near = np.zeros(len(candidates), dtype=bool)
    everything = PESData.concatenate([known, candidates[sane]])
    near[sane] = near_duplicates(everything, tolerance, known=len(known))[len(known) :]
    return near


def _colliding(candidates: PESData, ratio: float, sane: np.ndarray) -> np.ndarray:
    """Pairs as the engine sees them: a cell with too little vacuum collides with its images."""
    examined = sane & (candidates.origin != "isolated_atom")
    colliding = np.zeros(len(candidates), dtype=bool)
    periodic = engine_pbc(candidates.pbc)
    for i in np.flatnonzero(examined):
        atoms = slice(candidates.offsets[i], candidates.offsets[i + 1])
        smallest = smallest_covalent_ratio(
            candidates.numbers[atoms], candidates.positions[atoms], candidates.cell[i], periodic[i]
        )
        colliding[i] = smallest < ratio
    return colliding
