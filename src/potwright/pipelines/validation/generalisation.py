"""Errors on a folder of structures that nobody has seen (paper, Fig. 10).

Structures whose labels fail, and those on which some committee disagrees beyond all measure, are
counted apart: the paper leaves out 13 and 19 of 1635.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.pipelines.validation.parameters import ValidationParameters
from potwright.pipelines.validation.parameters_crystals import OutlierParameters
from potwright.pipelines.validation.results import Curve, Quantity, Result
from potwright.pipelines.validation.surfaces import REFERENCE, Surface, Surfaces
from potwright.uncertainty import Predictions, Uncertainty, property_uncertainties

UNITS = {"energy": "meV/atom", "forces": "meV/Å", "stress": "meV/Å³"}
PARITY_POINTS = 5000
"""Of forces and stress components in a parity plot, evenly taken."""


def outliers(
    disagreements: Mapping[str, Mapping[str, Uncertainty]], limits: OutlierParameters
) -> np.ndarray:
    """Structures on which some committee disagrees by more than a limit, shape (S,).

    Parameters
    ----------
    disagreements
        By potential and property.
    limits
        Of the three properties.
    """
    beyond: list[np.ndarray] = []
    for of_potential in disagreements.values():
        for name, limit in limits.by_property.items():
            spread = of_potential[name].disagreement
            beyond.append(np.nan_to_num(spread, nan=0.0) > limit)
    return np.any(beyond, axis=0)


def measure(surfaces: Surfaces, unseen: PESData, parameters: ValidationParameters) -> Result:
    """Errors of all potentials on the structures that have a label and no outlier."""
    asked = parameters.generalisation
    candidates = unseen.drop_duplicates()
    labelled, reasons = surfaces.labelled(candidates, dispersion=asked.dispersion)
    missing = [(id, REFERENCE.potential, reason) for id, reason in reasons.items()]
    counts = {"structures": len(candidates), "labels failed": len(candidates) - len(labelled)}
    if not len(labelled):
        return Result("generalisation", _counted(counts, surfaces), (), missing, surfaces.spent())
    predicted = surfaces.predicted(labelled, dispersion=asked.dispersion)
    judged = {
        name: property_uncertainties(predictions, labelled.energy, labelled.forces, labelled.stress)
        for name, predictions in predicted.items()
    }
    apart = outliers(judged, asked.outliers)
    missing += [(id, "all", "outlier") for id in labelled.id[apart].tolist()]
    counts |= {"outliers": int(apart.sum()), "compared": int((~apart).sum())}
    quantities = _counted(counts, surfaces)
    curves: list[Curve] = []
    if not apart.all():
        kept = labelled[~apart]
        compared = {name: one.select(kept.id) for name, one in predicted.items()}
        quantities += _errors(kept, compared)
        curves = _parity(kept, compared)
    return Result("generalisation", quantities, curves, missing, surfaces.spent())


def refuse(surfaces: Surfaces, unseen: PESData) -> None:
    """Refuse a folder that is empty, or with elements that somebody does not know."""
    if not len(unseen):
        raise InputError(
            "validation.generalisation: there are no unseen structures; put some where "
            "unseen_structures of the catalog says, or set enabled: false"
        )
    surfaces.refuse_species(unseen.species, "unseen structures")


def _counted(counts: Mapping[str, int], surfaces: Surfaces) -> list[Quantity]:
    """The same for everyone: all are compared on the same structures."""
    everyone = [s for s in surfaces.all() if s.member is None]
    return [
        Quantity("unseen structures", what, "structures", dict.fromkeys(everyone, float(count)))
        for what, count in counts.items()
    ]


def _errors(labelled: PESData, predicted: Mapping[str, Predictions]) -> list[Quantity]:
    """Root mean square errors of means and members."""
    rows: dict[str, dict[Surface, float]] = {name: {} for name in (*UNITS, "shifted")}
    for name, predictions in predicted.items():
        for surface, energy, forces, stress in _surfaces(name, predictions):
            offset = (energy - labelled.energy) / labelled.n_atoms
            rows["energy"][surface] = _rms(offset)
            rows["shifted"][surface] = _rms(_without_shift(offset, labelled))
            rows["forces"][surface] = _rms(forces - labelled.forces)
            rows["stress"][surface] = _rms(stress - labelled.stress)
    titles = {
        "energy": "RMSE of the energy",
        "shifted": "RMSE of the energy after a shift for each element",
        "forces": "RMSE of the forces",
        "stress": "RMSE of the stress",
    }
    return [
        Quantity("unseen structures", title, UNITS.get(key, UNITS["energy"]), rows[key])
        for key, title in titles.items()
    ]


def _without_shift(offset: np.ndarray, labelled: PESData) -> np.ndarray:
    """Errors per atom less the energies of isolated atoms that fit them best.

    Potentials of other levels of theory count energies from elsewhere.
    """
    shares = np.stack(
        [
            np.add.reduceat(labelled.numbers == z, labelled.offsets[:-1]) / labelled.n_atoms
            for z in labelled.species
        ],
        axis=1,
    )
    return np.asarray(offset - shares @ np.linalg.lstsq(shares, offset, rcond=None)[0])


def _parity(labelled: PESData, predicted: Mapping[str, Predictions]) -> list[Curve]:
    known = {
        "energy": labelled.energy / labelled.n_atoms,
        "forces": labelled.forces.ravel(),
        "stress": labelled.stress.ravel(),
    }
    of_surfaces: dict[str, dict[Surface, np.ndarray]] = {name: {} for name in known}
    for name, predictions in predicted.items():
        for surface, energy, forces, stress in _surfaces(name, predictions):
            of_surfaces["energy"][surface] = energy / labelled.n_atoms
            of_surfaces["forces"][surface] = forces.ravel()
            of_surfaces["stress"][surface] = stress.ravel()
    curves = []
    for name, reference in known.items():
        there = np.flatnonzero(np.isfinite(reference))
        taken = there[:: max(1, -(-len(there) // PARITY_POINTS))]
        unit = {"energy": "eV/atom", "forces": "eV/Å", "stress": "eV/Å³"}[name]
        curves.append(
            Curve(
                "unseen structures",
                f"parity of {name}",
                f"{name} of the reference, {unit}",
                f"{name}, {unit}",
                reference[taken],
                {surface: values[taken] for surface, values in of_surfaces[name].items()},
            )
        )
    return curves


def _surfaces(name: str, predictions: Predictions) -> list[tuple[Surface, Any, Any, Any]]:
    """The mean and, where there are several, the members: energy, forces, stress."""
    columns = (predictions.energy, predictions.forces, predictions.stress)
    found = [(Surface(name), *(column.mean(axis=0) for column in columns))]
    if len(columns[0]) > 1:
        found += [
            (Surface(name, m), *(column[m] for column in columns)) for m in range(len(columns[0]))
        ]
    return found


def _rms(error: np.ndarray) -> float:
    """In thousandths, of what is known; NaN if nothing is."""
    known = error[np.isfinite(error)]
    return float(1000 * np.sqrt(np.mean(known**2))) if len(known) else float("nan")
