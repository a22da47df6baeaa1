"""Parameters that concern the campaign as a whole rather than one stage."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from potwright.parameters import Parameters


class CampaignParameters(Parameters):
    """When a campaign ends, and which iteration this is."""

    iteration: int | None = Field(default=None, ge=1)
    max_iterations: int = Field(default=10, ge=1)
    label_budget: int | None = Field(default=None, ge=1)

    def iteration_of(self, iterations: np.ndarray) -> int:
        """The iteration that labelled data with these ``iteration`` values belongs to."""
        return self.iteration or max(int(np.max(iterations, initial=0)), 1)

    def next_iteration(self, iterations: np.ndarray) -> int:
        """The iteration that follows the one which left labelled data with these values."""
        return self.iteration or int(np.max(iterations, initial=0)) + 1
