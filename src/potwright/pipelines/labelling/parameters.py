"""Parameters of the labelling stage."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from potwright.errors import InputError
from potwright.execution import ExecutorParameters, LocalExecutor
from potwright.parameters import Parameters
from potwright.quantum import REASONS, EngineParameters, TBLiteEngine


class ScreeningParameters(Parameters):
    """What is not worth a calculation.

    Attributes
    ----------
    min_covalent_ratio
        Smallest distance of a pair, over the sum of its covalent radii.
    min_volume_ratio, max_volume_ratio
        Volume of a crystal over its parent's.
    max_elongation_ratio
        Longest over shortest vector of the reduced lattice, over the same of its parent's.
    near_duplicate_angstrom
        Structures that differ by no more than this, after a translation and a permutation of like
        atoms, are labelled once; None: only exact duplicates are dropped. See
        :mod:`potwright.pipelines.labelling.near_duplicates`.
    max_atoms
        Largest structure; None: any.
    warn_fraction
        A warning is given where more than this fraction of an origin is dropped.
    """

    min_covalent_ratio: float = Field(default=0.45, ge=0)
    min_volume_ratio: float = Field(default=0.3, ge=0)
    max_volume_ratio: float = Field(default=5.0, gt=0)
    max_elongation_ratio: float = Field(default=5.0, ge=1)
    near_duplicate_angstrom: float | None = Field(default=5e-4, gt=0, le=0.1)
    max_atoms: int | None = Field(default=None, ge=1)
    warn_fraction: float = Field(default=0.2, ge=0, le=1)

    @model_validator(mode="after")
    def _ratios_in_order(self) -> Self:
        if self.min_volume_ratio >= self.max_volume_ratio:
            raise ValueError("min_volume_ratio must be below max_volume_ratio")
        return self


class LabellingParameters(Parameters):
    """What labels, where it runs, and what is screened out before.

    Attributes
    ----------
    engine
        The quantum engine and its settings.
    levels
        Further engines by name, each with its settings: other levels of theory, at which labels
        are imported or made again.
    relabel_to
        The one of ``levels`` at which ``kedro campaign relabel`` labels the data again.
    executor
        Where calculations run.
    screening
        What is not worth a calculation.
    retry_failed
        What the label store says has failed is computed again: all of it, none of it, or what
        failed for one of these reasons.
    """

    engine: EngineParameters = TBLiteEngine()
    levels: dict[str, EngineParameters] = Field(default_factory=dict)
    relabel_to: str | None = None
    executor: ExecutorParameters = LocalExecutor()
    screening: ScreeningParameters = ScreeningParameters()
    retry_failed: bool | tuple[str, ...] = ("killed", "walltime")

    @property
    def retry(self) -> Collection[str]:
        """Reasons for which failed structures are computed again."""
        if isinstance(self.retry_failed, bool):
            return REASONS if self.retry_failed else ()
        return self.retry_failed

    def engine_at(self, level: str | None) -> EngineParameters:
        """The engine of one of ``levels``; without a name that of the campaign.

        Raises
        ------
        InputError
            If there is no such level.
        """
        if level is None:
            return self.engine
        if level not in self.levels:
            raise InputError(_unknown_level(level, self.levels))
        return self.levels[level]

    @field_validator("levels")
    @classmethod
    def _are_names(cls, levels: dict[str, Any]) -> dict[str, Any]:
        for name in levels:
            if not re.fullmatch(r"\w[\w.+-]*", name):
                raise ValueError(
                    f"{name!r} becomes part of a path: use letters, digits and _ . + - only"
                )
        return levels

    @field_validator("retry_failed", mode="before")
    @classmethod
    def _are_reasons(cls, value: Any) -> Any:
        if isinstance(value, bool):
            return value
        unknown = [r for r in value if r not in REASONS] if isinstance(value, list | tuple) else [0]
        if unknown:
            raise ValueError(f"give true, false, or a list of reasons among {', '.join(REASONS)}")
        return value

    @model_validator(mode="after")
    def _relabels_to_a_level(self) -> Self:
        if self.relabel_to is not None and self.relabel_to not in self.levels:
            raise ValueError(_unknown_level(self.relabel_to, self.levels))
        return self


def _unknown_level(name: str, levels: Collection[str]) -> str:
    nearest = difflib.get_close_matches(name, levels, n=1, cutoff=0.4)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    known = f"there are {', '.join(sorted(levels))}" if levels else "there are none yet"
    return (
        f"no level of theory is named {name!r}{hint} ({known}); declare it in labelling.levels: a "
        "name, and below it an engine's block"
    )
