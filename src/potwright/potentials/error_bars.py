"""From a calibration report to the error bars of a committee, and what they mean in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from potwright.errors import InputError

UNITS = {"energy": "eV/atom", "forces": "eV/Å, per atom", "stress": "eV/Å³"}
UNCALIBRATED = "no error bar: {reason}; the disagreement of the members is in the results"


class UncertaintyWarning(UserWarning):
    """Error bars that the labels seen so far do not justify."""


@dataclass(frozen=True)
class ErrorBar:
    """Of one property.

    Attributes
    ----------
    factor
        The error bar of the committee mean is this times the disagreement.
    level
        The probability with which the error stays within it (conformal); None: it is the expected
        error, as a root mean square.
    """

    factor: float
    level: float | None = None

    def of_mean(self, disagreement: np.ndarray) -> np.ndarray:
        """The error bar of the committee mean."""
        return self.factor * disagreement

    def of_member(self, disagreement: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """The error bar of a member at that distance from the mean.

        A bound adds the two (triangle inequality). Expected squares add: ε² = D² + b² holds for
        the average over members.
        """
        bar = self.of_mean(disagreement)
        return np.hypot(distance, bar) if self.level is None else distance + bar


@dataclass(frozen=True)
class ErrorBars:
    """Of all properties that could be calibrated.

    Attributes
    ----------
    bars
        By property.
    meaning
        Of each property, calibrated or not, in words.
    doubts
        Why some should not be believed.
    """

    bars: Mapping[str, ErrorBar] = field(default_factory=dict)
    meaning: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def error_bars(report: Mapping[str, Any] | None, members: int) -> ErrorBars:
    """The error bars that a calibration report gives a committee of so many members.

    Parameters
    ----------
    report
        The ``calibration`` of an evaluation; empty or None: there is none.

    Raises
    ------
    InputError
        If it is no such report, or that of a committee of another size.
    """
    if not report:
        absent = UNCALIBRATED.format(reason="this committee comes without a calibration")
        return ErrorBars(meaning=dict.fromkeys(UNITS, absent))
    if not set(UNITS) <= set(report.get("properties", {})):
        raise InputError("calibration: not the calibration report of an evaluation")
    if report.get("members", members) != members:
        raise InputError(
            f"calibration: made for a committee of {report['members']} members, this one has "
            f"{members}; take the report of the same iteration"
        )
    bars: dict[str, ErrorBar] = {}
    meaning: dict[str, str] = {}
    doubts = []
    for name, unit in UNITS.items():
        entry = report["properties"][name]
        factor = _factor(entry, per_atom=name == "forces")
        if factor is None:
            reason = entry.get("reason", "it could not be calibrated")
            meaning[name] = UNCALIBRATED.format(reason=reason)
            doubts.append(f"{name}: {reason}")
            continue
        bars[name] = ErrorBar(factor, entry.get("level"))
        doubt = _doubt(entry)
        doubts += [f"{name}: {doubt}"] if doubt else []
        meaning[name] = "; ".join(filter(None, [_meaning(bars[name], entry, unit), doubt]))
    return ErrorBars(bars, meaning, tuple(doubts))


def read_report(path: str | Path) -> dict[str, Any]:
    """A calibration report from its JSON file.

    Raises
    ------
    InputError
        If there is no such file, or it is not JSON.
    """
    try:
        return dict(json.loads(Path(path).read_text()))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a calibration report ({error})") from error


def _factor(entry: Mapping[str, Any], *, per_atom: bool) -> float | None:
    """By the configured method; reports of before methods could be chosen have c alone."""
    names = ("factor_per_atom", "c_per_atom") if per_atom else ("factor", "c")
    name = names[0] if "factor" in entry else names[1]
    factor = entry.get(name)
    return None if factor is None else float(factor)


def _meaning(bar: ErrorBar, entry: Mapping[str, Any], unit: str) -> str:
    if entry.get("meaning"):
        return f"{entry['meaning'].rstrip('.')} ({unit})"
    size = f"{bar.factor:.3g} times the disagreement of the members ({unit})"
    if bar.level is None:
        return f"{size}: the expected error of the committee mean, as a root mean square"
    return f"{size}: the error of the committee mean stays within it with probability {bar.level:g}"


def _doubt(entry: Mapping[str, Any]) -> str:
    """Why an error bar should not be believed; empty if it may be."""
    if not entry.get("trusted", False):
        reason = str(entry.get("reason", "the evidence does not suffice"))
        return reason if reason.startswith("not trusted") else f"not trusted: {reason}"
    if not entry.get("informative", True):
        return "not informative: a constant error bar would do as well as the disagreement"
    return ""
