from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.evaluation.parameters import EvaluationParameters
from potwright.pipelines.evaluation.verdict import decide
from potwright.uncertainty import PROPERTIES

UNITS = {"energy": "mev_per_atom", "forces": "mev_per_angstrom", "stress": "mev_per_angstrom3"}


def judged(candidates: int = 100, uncertain: int = 2, above_ceiling: int = 0) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            f"disagreement_{name}_{UNITS[name]}": np.ones(candidates, dtype=float)
            for name in PROPERTIES
        }
    )
    rank = np.arange(candidates)
    return table.assign(
        sane=True,
        candidate=True,
        uncertain=rank < uncertain + above_ceiling,
        above_ceiling=rank < above_ceiling,
    )


def calibration(
    trusted: bool = True,
    audit_error: float | None = 5.0,
    tau: float | None = 3.0,
    collapsed: bool = False,
) -> dict[str, Any]:
    audit = None if audit_error is None else {"rms_member_error": audit_error}
    entry = {
        "unit": "meV",
        "error_threshold": 10.0,
        "tau": tau,
        "trusted": trusted and tau is not None,
        "reason": "trusted" if tau is not None else "uncalibrated: too few",
        "collapsed": collapsed,
        "audit": audit,
    }
    return {"iteration": 3, "properties": {name: dict(entry) for name in PROPERTIES}}


@pytest.fixture
def verdict(structures: Any) -> Any:
    def run(
        frames: pd.DataFrame | None = None,
        report: dict[str, Any] | None = None,
        *,
        selected: int = 10,
        streak: int = 1,
        **campaign: Any,
    ) -> dict[str, Any]:
        pes = structures(12).replace(iteration=1)
        chosen = pes[:selected].replace(info=[{"audit": i < 8} for i in range(selected)])
        return decide(
            judged() if frames is None else frames,
            chosen if selected else PESData.empty(),
            pes,
            report or calibration(),
            previous={"streak": streak},
            parameters=EvaluationParameters(),
            campaign=CampaignParameters(**campaign),
        )

    return run


def test_converged_needs_every_kind_of_evidence(verdict: Any) -> None:
    result = verdict()
    assert result["verdict"] == "converged"
    assert result["streak"] == 2
    assert result["missing_for_convergence"] == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"frames": judged(uncertain=5)}, "5.0% of the sane frames are uncertain"),
        ({"frames": judged(uncertain=2, above_ceiling=4)}, "6.0% of the sane frames"),
        ({"streak": 0}, "for 1 of 2 iterations"),
        ({"report": calibration(trusted=False)}, "the calibration of forces is not trusted"),
        ({"report": calibration(audit_error=10.1)}, "exceeds 10"),
        ({"report": calibration(audit_error=None)}, "no audit sample"),
        ({"report": calibration(tau=None)}, "uncertain fraction is unknown"),
        ({"report": calibration(tau=None)}, "energy is uncalibrated: too few"),
        ({"report": calibration(collapsed=True)}, "the disagreement on forces has collapsed"),
    ],
)
def test_without_one_of_them_the_campaign_continues_and_says_what_is_missing(
    verdict: Any, changed: dict[str, Any], words: str
) -> None:
    result = verdict(**changed)
    assert result["verdict"] == "continue"
    assert words in result["message"]


def test_nothing_selected_without_the_evidence_is_not_a_success(verdict: Any) -> None:
    result = verdict(report=calibration(trusted=False), selected=0)
    assert result["verdict"] == "nothing to label, not verified"
    assert "not trusted" in result["message"]


def test_no_sane_frame_at_all_is_nothing_to_label(verdict: Any) -> None:
    result = verdict(judged(candidates=0), selected=0)
    assert result["verdict"] == "nothing to label, not verified"
    assert result["uncertain_fraction"] is None
    assert result["streak"] == 0


def test_nothing_selected_with_the_evidence_is_converged(verdict: Any) -> None:
    assert verdict(selected=0)["verdict"] == "converged"


def test_the_last_iteration_stops(verdict: Any) -> None:
    result = verdict(streak=0, max_iterations=3)
    assert result["verdict"] == "stopped"
    assert "3 of at most 3 iterations" in result["message"]


def test_a_spent_label_budget_stops(verdict: Any) -> None:
    result = verdict(streak=0, selected=0, label_budget=12)
    assert result["verdict"] == "stopped"
    assert "label budget of 12" in result["message"]


def test_convergence_in_the_last_iteration_is_convergence(verdict: Any) -> None:
    assert verdict(max_iterations=3, label_budget=12)["verdict"] == "converged"


def test_an_uncertain_iteration_ends_the_streak(verdict: Any) -> None:
    assert verdict(judged(uncertain=50), streak=7)["streak"] == 0


def test_a_property_that_no_frame_has_is_not_asked_for(verdict: Any) -> None:
    """Molecules have no stress; neither calibration nor audit can speak of it."""
    molecules = judged().assign(disagreement_stress_mev_per_angstrom3=np.nan)
    report = calibration()
    report["properties"]["stress"] |= {"trusted": False, "audit": None, "tau": None}
    assert verdict(molecules, report)["verdict"] == "converged"
    assert verdict(judged(), report)["verdict"] == "continue"
