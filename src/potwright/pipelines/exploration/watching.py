"""What the trajectories of one iteration are watched for."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from potwright.dynamics import Complaint, Disagreement, State, Watch
from potwright.pipelines.exploration.parameters import DisagreementParameters, WatchParameters
from potwright.potentials import Committee

logger = logging.getLogger(__name__)
PROPERTIES = ("energy", "forces", "stress")


def watches(
    parameters: WatchParameters, committee: Committee, calibration: Mapping[str, Any]
) -> tuple[Watch, ...]:
    """All watches; the one that costs most, and looks only at sane structures, is the last.

    Parameters
    ----------
    parameters
        As configured.
    committee
        All members.
    calibration
        The last report, empty if there is none.
    """
    limits = ceilings(parameters.disagreement, calibration)
    if not limits:
        return parameters.watches()
    settings = parameters.disagreement
    spread = Disagreement(committee, limits, settings.every_steps, stops=settings.action == "stop")
    return (*parameters.watches(), spread)


def ceilings(
    parameters: DisagreementParameters, calibration: Mapping[str, Any]
) -> dict[str, float]:
    """Of energy, forces and stress in meV/atom, meV/Å and meV/Å³, of what is watched.

    What the user gives counts; else a multiple of the threshold that the last calibration found;
    where it found none, nothing is watched.
    """
    if not parameters.enabled:
        return {}
    report = calibration.get("properties", {})
    found: dict[str, float] = {}
    for name in PROPERTIES:
        given = parameters.by_property()[name]
        threshold = report.get(name, {}).get("tau")
        if given is not None:
            found[name] = given
        elif threshold is not None:
            found[name] = parameters.times_threshold * threshold
            if not report[name].get("trusted"):
                logger.info("Disagreement of %s is watched, but its calibration not trusted", name)
    if not found:
        logger.warning(
            "Disagreement is not watched: nothing is calibrated yet, and "
            "exploration.watch.disagreement gives no ceiling"
        )
    return found


@dataclass
class StepCounter:
    """A watch that never complains: it notes how far a trajectory is, for who looks on.

    Attributes
    ----------
    path
        The file that holds the number of steps done.
    seconds
        How often it is written at most.
    """

    is_costly: ClassVar[bool] = False
    path: Path
    seconds: float = 1.0
    every: int = 1
    _written: float = float("-inf")

    def complaint(self, state: State) -> Complaint | None:
        """Write the step, and find nothing wrong; that it cannot be written is nothing, too."""
        now = time.monotonic()
        if now - self._written >= self.seconds:
            self._written = now
            with suppress(OSError):  # a trajectory is worth more than its progress bar
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.write_text(str(state.step))
        return None
