"""The report of a campaign's iteration, whatever the iteration has come to.

The reporting pipeline runs outside of Kedro's sessions, on versions that belong to the iteration:
the iteration's run record stays as its own run left it.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kedro.framework.session import KedroServiceSession
from kedro.runner import SequentialRunner

from potwright.datasets.versioned import supply_missing
from potwright.errors import InputError
from potwright.logs import quiet_nodes
from potwright.pipeline_registry import STAGES, register_pipelines

if TYPE_CHECKING:
    from potwright.campaign import Campaign, Iteration

logger = logging.getLogger(__name__)

REPORT = "report"


def write_report(campaign: Campaign, number: int | None = None) -> Path:
    """Write the report of an iteration, the newest by default, and its figures.

    Returns
    -------
    Path
        The page; one that was written before is replaced.

    Raises
    ------
    InputError
        If there is no such iteration.
    """
    iteration = _iteration(campaign, number)
    pipeline = register_pipelines()["reporting"]
    with KedroServiceSession.create(project_path=campaign.project, env=campaign.env) as session:
        context = session.load_context({"campaign": {"iteration": iteration.number}})
        catalog = context._get_catalog(  # as Kedro's sessions do; there is no public way
            save_version=iteration.version, load_versions=_versions(campaign, iteration)
        )
        supply_missing(catalog, pipeline)
        with quiet_nodes():
            SequentialRunner().run(pipeline, catalog)
    return report_path(campaign, iteration)


def report_after_iteration(campaign: Campaign, number: int) -> None:
    """Write the report of an iteration that ended, well or not; say so if that fails.

    A report is a view of what is kept anyway: whatever stops it does not stop the campaign. An
    iteration that was refused, stopped, or has saved nothing gets none.
    """
    try:
        record = {i.number: i for i in campaign.iterations()}[number].record
        ended = record["status"] in ("completed", "failed") and record.get("saved")
        if not ended or not campaign.all_parameters.reporting.enabled:
            return
        path = write_report(campaign, number)
    except Exception as error:  # noqa: BLE001 - whatever it is, the campaign goes on
        logger.warning(
            "No report of iteration %d (%s: %s). The campaign does not depend on it; `kedro "
            "campaign report` tries again.",
            number,
            type(error).__name__,
            error,
        )
    else:
        logger.info("Report of iteration %d: %s", number, path.relative_to(campaign.project))


def report_path(campaign: Campaign, iteration: Iteration) -> Path:
    """Where the report of an iteration lies, if it has been written."""
    place = campaign.project / campaign.catalog[REPORT]["filepath"]
    return place / iteration.version / place.name


def has_display() -> bool:
    """Whether a browser could be shown."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _iteration(campaign: Campaign, number: int | None) -> Iteration:
    iterations = {iteration.number: iteration for iteration in campaign.iterations()}
    chosen = number if number is not None else max(iterations, default=None)
    if chosen not in iterations:
        known = ", ".join(map(str, iterations)) or "none"
        wanted = "no iteration yet" if number is None else f"no iteration {number}"
        raise InputError(f"campaign {campaign.name!r} has {wanted}; it has begun: {known}")
    return iterations[chosen]


def _versions(campaign: Campaign, iteration: Iteration) -> dict[str, str]:
    """Pin what stages make to the iteration, and what came before to its predecessor."""
    from potwright.campaign import NO_VERSION

    pipelines = register_pipelines()
    made = set().union(*(pipelines[name].all_outputs() for name in STAGES))
    pinned = {}
    for name, entry in campaign.catalog.items():
        if not isinstance(entry, dict) or not entry.get("versioned"):
            continue
        if entry.get("previous"):
            pinned[name] = iteration.record.get("parent") or NO_VERSION
        elif name in made:
            pinned[name] = iteration.version
    return pinned
