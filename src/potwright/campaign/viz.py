"""Kedro-Viz on an older iteration: the server sees nothing that is newer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from potwright.datasets.versioned import AS_OF
from potwright.errors import InputError

if TYPE_CHECKING:
    from potwright.campaign import Campaign


def show(campaign: Campaign, number: int | None, options: Sequence[str]) -> None:
    """Run ``kedro viz run`` until it is interrupted.

    Parameters
    ----------
    campaign
        Whose data.
    number
        The iteration that previews are of; None: the newest of everything.
    options
        Further options of ``kedro viz run``.

    Raises
    ------
    InputError
        If there is no such iteration, or Kedro-Viz ends by a mistake.
    """
    environment = dict(os.environ)
    if number is not None:
        versions = {iteration.number: iteration.version for iteration in campaign.iterations()}
        if number not in versions:
            begun = ", ".join(map(str, versions)) or "none"
            raise InputError(
                f"campaign {campaign.name!r} has no iteration {number}; it has begun: {begun}"
            )
        environment[AS_OF] = versions[number]
    command = [sys.executable, "-m", "kedro", "viz", "run", *options]
    command += ["--env", campaign.env] if campaign.env else []
    try:
        ended = subprocess.run(command, cwd=campaign.project, env=environment, check=False)
    except KeyboardInterrupt:
        return
    if ended.returncode > 0:
        raise InputError("kedro viz did not start; what it says is above")
