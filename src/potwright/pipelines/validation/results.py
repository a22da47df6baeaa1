"""What tests find: numbers and curves of every surface, as a table and as a dictionary to plot."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from potwright.pipelines.validation.plans import NoResultError
from potwright.pipelines.validation.surfaces import REFERENCE, Surface

logger = logging.getLogger(__name__)

T = TypeVar("T")
LEADING = ["test", "structure", "quantity", "unit", "reference"]


class Quantity(NamedTuple):
    """A number, on every surface that has it.

    Attributes
    ----------
    structure, quantity, unit
        What it is.
    values
        By surface.
    """

    structure: str
    quantity: str
    unit: str
    values: Mapping[Surface, float]


class Curve(NamedTuple):
    """A function, on every surface that has it.

    Attributes
    ----------
    structure, quantity
        What it is.
    x_label, y_label
        With units.
    x
        Shape (k,); or by surface, where surfaces have points of their own.
    y
        By surface, shape (k,) or (k, branches).
    marks
        Positions on the x axis that have a name.
    """

    structure: str
    quantity: str
    x_label: str
    y_label: str
    x: np.ndarray | Mapping[Surface, np.ndarray]
    y: Mapping[Surface, np.ndarray]
    marks: Mapping[str, float] = {}


@dataclass(frozen=True)
class Result:
    """Of one test.

    Attributes
    ----------
    test
        Its name.
    quantities, curves
        What it measured.
    missing
        What it could not measure: structure, surface and reason.
    costs
        What it asked for, see :class:`~potwright.pipelines.validation.surfaces.Surfaces`.
    """

    test: str
    quantities: Sequence[Quantity] = ()
    curves: Sequence[Curve] = ()
    missing: Sequence[tuple[str, str, str]] = ()
    costs: Mapping[str, int] = field(default_factory=dict)


def successes(
    outcomes: Mapping[Surface, T | NoResultError], structure: str, missing: list[Any]
) -> dict[Surface, T]:
    """Those that have a result; the others are noted in ``missing`` and warned of."""
    found = {}
    for surface, outcome in outcomes.items():
        if isinstance(outcome, NoResultError):
            missing.append((structure, in_words(surface), str(outcome)))
            logger.warning("%s, %s: %s", structure, in_words(surface), outcome)
        else:
            found[surface] = outcome
    return found


def in_words(surface: Surface) -> str:
    """A surface's name."""
    if surface.member is None:
        return surface.potential
    return f"{surface.potential}, member {surface.member}"


def table(results: Sequence[Result]) -> pd.DataFrame:
    """One row a quantity, and for each potential its committee mean, spread and error.

    Returns
    -------
    pandas.DataFrame
        Columns test, structure, quantity, unit, reference, and for each potential NAME its name
        (the value on the surface of the committee mean), ``NAME_spread`` (the standard deviation of
        the members' values) and ``NAME_error`` (less the reference); empty where there is none.
    """
    rows = [_row(result.test, quantity) for result in results for quantity in result.quantities]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return pd.DataFrame(rows, columns=columns or LEADING)


def document(results: Sequence[Result]) -> dict[str, Any]:
    """Everything, members included, as nested dictionaries and lists: by test and structure."""
    return {
        result.test: {
            "quantities": [
                {
                    "structure": one.structure,
                    "quantity": one.quantity,
                    "unit": one.unit,
                    **_by_potential(one.values),
                }
                for one in result.quantities
            ],
            "curves": [_curve(one) for one in result.curves],
            "missing": [
                dict(zip(("structure", "surface", "reason"), one, strict=True))
                for one in result.missing
            ],
            "costs": dict(result.costs),
        }
        for result in results
    }


def _row(test: str, one: Quantity) -> dict[str, Any]:
    reference = one.values.get(REFERENCE, np.nan)
    row: dict[str, Any] = dict(
        zip(LEADING, (test, one.structure, one.quantity, one.unit, reference), strict=True)
    )
    for name in _names(one.values):
        mean = one.values.get(Surface(name), np.nan)
        members = _members(one.values, name)
        row[name] = mean
        row[f"{name}_spread"] = np.std(members) if len(members) > 1 else np.nan
        row[f"{name}_error"] = mean - reference
    return row


def _curve(one: Curve) -> dict[str, Any]:
    shared = isinstance(one.x, np.ndarray)
    x = one.x.tolist() if isinstance(one.x, np.ndarray) else _by_potential(one.x)
    return {
        "structure": one.structure,
        "quantity": one.quantity,
        "x_label": one.x_label,
        "y_label": one.y_label,
        "x_is_shared": shared,
        "x": x,
        "y": _by_potential(one.y),
        "marks": dict(one.marks),
    }


def _by_potential(values: Mapping[Surface, Any]) -> dict[str, Any]:
    """The reference, and of each potential its mean, its members, and their spread."""
    potentials = {}
    for name in _names(values):
        members = _members(values, name)
        same = len({np.shape(one) for one in members}) == 1
        potentials[name] = {
            "mean": _plain(values.get(Surface(name))),
            "members": [_plain(one) for one in members],
            "spread": _plain(np.std(members, axis=0)) if same and len(members) > 1 else None,
        }
    return {"reference": _plain(values.get(REFERENCE)), "potentials": potentials}


def _names(values: Mapping[Surface, Any]) -> list[str]:
    return [n for n in dict.fromkeys(s.potential for s in values) if n != REFERENCE.potential]


def _members(values: Mapping[Surface, T], name: str) -> list[T]:
    return [v for s, v in values.items() if s.potential == name and s.member is not None]


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
