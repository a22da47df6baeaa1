"""Parameters of the evaluation stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from potwright.execution import ExecutorParameters, LocalExecutor
from potwright.parameters import Device, Parameters


def _above_zero(value: float) -> float:
    if value <= 0:
        raise ValueError(
            "must be greater than 0; it is the error that you accept (no committee is exact), "
            "for example 1 meV/atom, 100 meV/Å, 1 meV/Å³"
        )
    return value


Tolerance = Annotated[float, AfterValidator(_above_zero)]


class ErrorThresholds(Parameters):
    """The errors ε_thr of a member that the user accepts, root mean square over a structure."""

    energy_mev_per_atom: Tolerance = 1.0
    forces_mev_per_angstrom: Tolerance = 100.0
    stress_mev_per_angstrom3: Tolerance = 1.0

    def by_property(self) -> dict[str, float]:
        """The thresholds of ``energy``, ``forces`` and ``stress``, in their milli-units."""
        return {
            "energy": self.energy_mev_per_atom,
            "forces": self.forces_mev_per_angstrom,
            "stress": self.stress_mev_per_angstrom3,
        }


class Ceiling(Parameters):
    """Disagreements above which an uncertain frame is not labelled; none where not given."""

    energy_mev_per_atom: Tolerance | None = None
    forces_mev_per_angstrom: Tolerance | None = None
    stress_mev_per_angstrom3: Tolerance | None = None

    def by_property(self) -> dict[str, float | None]:
        """The ceilings of ``energy``, ``forces`` and ``stress``, in their milli-units."""
        return {
            "energy": self.energy_mev_per_atom,
            "forces": self.forces_mev_per_angstrom,
            "stress": self.stress_mev_per_angstrom3,
        }


class _Selection(Parameters):
    max_selected: int = Field(default=1000, ge=0)
    ceiling: Ceiling = Ceiling()


class RandomSelection(_Selection):
    """Uncertain frames, drawn at random."""

    type: Literal["random"] = "random"


class TopSelection(_Selection):
    """The uncertain frames with the largest disagreement relative to its threshold."""

    type: Literal["top"] = "top"


class ProportionalSelection(_Selection):
    """Uncertain frames, drawn with weights in proportion to their disagreement."""

    type: Literal["proportional"] = "proportional"


class RandomControlSelection(_Selection):
    """A control: as many frames as there are uncertain ones, drawn from all sane frames.

    What active learning must beat. Everything else (audit sample, budget, verdict) is the same.
    """

    type: Literal["random_control"] = "random_control"


class FarthestPointSelection(_Selection):
    """Uncertain frames far from the training set and from each other, by their descriptors.

    Attributes
    ----------
    by
        Distances are those of structure means, or a frame is as far as its farthest atom.
    """

    type: Literal["farthest_point"] = "farthest_point"
    by: Literal["structure", "atom"] = "structure"


class CoverageSelection(_Selection):
    """Uncertain frames that cover the environments where the disagreement of the pool is.

    Attributes
    ----------
    kinds
        Into how many kinds environments are sorted, at most.
    """

    type: Literal["coverage"] = "coverage"
    kinds: int = Field(default=200, ge=1)


SelectionParameters = Annotated[
    RandomSelection
    | TopSelection
    | ProportionalSelection
    | RandomControlSelection
    | FarthestPointSelection
    | CoverageSelection,
    Field(discriminator="type"),
]


class AuditParameters(Parameters):
    """The sample that is labelled regardless of its disagreement."""

    fraction: float = Field(default=0.1, ge=0, le=1)
    minimum: int = Field(default=8, ge=0)


class CalibrationParameters(Parameters):
    """What makes error bars of disagreement, and when they are believed.

    Attributes
    ----------
    method
        Which factor turns disagreement into an error bar.
    minimum_groups, minimum_correlation
        What trust asks for.
    confidence
        Of the bound on the correlation, and of all intervals.
    bootstrap_samples
        For that bound.
    conformal_level
        Probability with which the conformal error bar holds.
    """

    method: Literal["linear", "conformal", "likelihood"] = "likelihood"
    minimum_groups: int = Field(default=20, ge=2)
    minimum_correlation: float = Field(default=0.2, ge=-1, lt=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    bootstrap_samples: int = Field(default=1000, ge=100)
    conformal_level: float = Field(default=0.9, gt=0, lt=1)


class ConvergenceParameters(Parameters):
    """When a campaign has converged."""

    uncertain_fraction: float = Field(default=0.05, gt=0, le=1)
    iterations: int = Field(default=2, ge=1)


class EvaluationParameters(Parameters):
    """Everything under ``evaluation`` in the parameter files."""

    error_thresholds: ErrorThresholds = ErrorThresholds()
    selection: SelectionParameters = RandomSelection()
    audit: AuditParameters = AuditParameters()
    calibration: CalibrationParameters = CalibrationParameters()
    convergence: ConvergenceParameters = ConvergenceParameters()
    atoms_per_batch: int | None = Field(default=None, ge=1)
    device: Device = "auto"
    executor: ExecutorParameters = LocalExecutor()
