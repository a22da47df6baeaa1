"""Temperatures and pressures: which conditions each start is run under.

A design is a block of parameters with a ``type`` and two methods: ``assign`` says which
trajectories there are, ``points`` which conditions somebody has named.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from potwright.dynamics import Conditions, MDEngineParameters, strain_of
from potwright.parameters import Parameters

logger = logging.getLogger(__name__)
Kelvin = Annotated[float, Field(ge=0)]
Assigned = list[tuple[int, Conditions]]
"""Trajectories: the number of the start, and its conditions."""


class SpaceFillingDesign(Parameters):
    """Each start gets one point of a Latin hypercube over two ranges.

    Attributes
    ----------
    temperature_range_kelvin, pressure_range_kbar
        Lowest and highest value.
    """

    type: Literal["space_filling"] = "space_filling"
    temperature_range_kelvin: tuple[float, float] = (0.0, 1000.0)
    pressure_range_kbar: tuple[float, float] = (-5.0, 5.0)

    @model_validator(mode="after")
    def _ranges_in_order(self) -> Self:
        low, high = self.temperature_range_kelvin
        if not 0 <= low <= high:
            raise ValueError("temperature_range_kelvin is [lowest, highest], from 0 K upwards")
        if self.pressure_range_kbar[0] > self.pressure_range_kbar[1]:
            raise ValueError("pressure_range_kbar is [lowest, highest]")
        return self

    def points(self) -> list[Conditions]:
        """None is named: they fall where they may."""
        return []

    def assign(self, count: int, rng: np.random.Generator) -> Assigned:
        """One trajectory for each of ``count`` starts."""
        points = latin_hypercube(count, rng)
        temperatures = _between(self.temperature_range_kelvin, points[:, 0])
        pressures = _between(self.pressure_range_kbar, points[:, 1])
        pairs = zip(temperatures.tolist(), pressures.tolist(), strict=True)
        return [(i, Conditions(t, p)) for i, (t, p) in enumerate(pairs)]


class GridDesign(Parameters):
    """Every start is run at every combination of the values given.

    Attributes
    ----------
    temperatures_kelvin, pressures_kbar
        At least one value each.
    """

    type: Literal["grid"] = "grid"
    temperatures_kelvin: tuple[Kelvin, ...] = Field(min_length=1)
    pressures_kbar: tuple[float, ...] = Field(default=(0.0,), min_length=1)

    def points(self) -> list[Conditions]:
        """All combinations."""
        pairs = product(self.temperatures_kelvin, self.pressures_kbar)
        return [Conditions(t, p) for t, p in pairs]

    def assign(self, count: int, rng: np.random.Generator) -> Assigned:
        """As many trajectories for each of ``count`` starts as there are combinations."""
        return [(i, point) for i in range(count) for point in self.points()]


class ListedConditions(Parameters):
    """One entry of a list: targets, and where they go if they change."""

    temperature_kelvin: Kelvin
    pressure_kbar: float = 0.0
    final_temperature_kelvin: Kelvin | None = None
    final_pressure_kbar: float | None = None

    def conditions(self) -> Conditions:
        """The same for an engine."""
        return Conditions(**self.model_dump())

    @model_validator(mode="after")
    def _are_possible(self) -> Self:
        self.conditions()
        return self


class ListDesign(Parameters):
    """The starts take the entries of a list in turn.

    Attributes
    ----------
    conditions
        At least one; an entry with final values is a ramp.
    """

    type: Literal["list"] = "list"
    conditions: tuple[ListedConditions, ...] = Field(min_length=1)

    def points(self) -> list[Conditions]:
        """The entries."""
        return [entry.conditions() for entry in self.conditions]

    def assign(self, count: int, rng: np.random.Generator) -> Assigned:
        """One trajectory for each of ``count`` starts."""
        points = self.points()
        return [(i, points[i % len(points)]) for i in range(count)]


class RampDesign(Parameters):
    """All starts are heated, quenched, compressed or released, linearly in time.

    Attributes
    ----------
    temperatures_kelvin, pressures_kbar
        First and last value; in between frames are taken at all of them.
    """

    type: Literal["ramp"] = "ramp"
    temperatures_kelvin: tuple[Kelvin, Kelvin]
    pressures_kbar: tuple[float, float] = (0.0, 0.0)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        self.points()
        return self

    def points(self) -> list[Conditions]:
        """The ramp."""
        (first_t, last_t), (first_p, last_p) = self.temperatures_kelvin, self.pressures_kbar
        return [Conditions(first_t, first_p, last_t, last_p)]

    def assign(self, count: int, rng: np.random.Generator) -> Assigned:
        """One trajectory for each of ``count`` starts."""
        return [(i, self.points()[0]) for i in range(count)]


DesignParameters = Annotated[
    SpaceFillingDesign | GridDesign | ListDesign | RampDesign, Field(discriminator="type")
]


def asks_for_pressure(point: Conditions) -> bool:
    """Whether conditions that somebody has named need a barostat."""
    return bool(point.pressure_kbar or point.final_pressure_kbar)


def acting(
    assigned: Sequence[Conditions], pbc: np.ndarray, engine: MDEngineParameters
) -> tuple[Conditions, ...]:
    """The conditions without those pressures that nothing holds.

    Parameters
    ----------
    assigned
        Of n trajectories.
    pbc
        Which directions of their starts are periodic, shape (n, 3).
    engine
        Its ensemble decides.
    """
    held = [strain_of(engine.ensemble, periodic) != "none" for periodic in pbc]
    if not all(held):
        logger.info("No pressure is held in %d of %d trajectories", held.count(False), len(held))
    return tuple(
        point if holds else replace(point, pressure_kbar=0.0, final_pressure_kbar=None)
        for point, holds in zip(assigned, held, strict=True)
    )


def latin_hypercube(count: int, rng: np.random.Generator) -> np.ndarray:
    """Points of the unit square, shape (count, 2): one in each of ``count`` rows and columns.

    Of several such designs the one with the smallest centred discrepancy, which fills the square
    most evenly.
    """
    from scipy.stats import qmc

    if count == 0:
        return np.empty((0, 2))
    candidates = []
    for _ in range(50):
        cells = np.column_stack([rng.permutation(count), rng.permutation(count)])
        candidates.append((cells + rng.random((count, 2))) / count)
    return min(candidates, key=qmc.discrepancy)


def _between(limits: tuple[float, float], fraction: np.ndarray) -> np.ndarray:
    return limits[0] + (limits[1] - limits[0]) * fraction
