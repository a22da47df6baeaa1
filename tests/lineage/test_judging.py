"""A frame that was passed over is told the first reason that applies."""

from __future__ import annotations

import pandas as pd
import pytest

from potwright.lineage.judging import _why_not
from potwright.pipelines.evaluation.parameters import EvaluationParameters

FINE = {
    "sane": True,
    "candidate": True,
    "above_ceiling": False,
    "uncertain": False,
    "reasons": "",
}
CALIBRATED = {"properties": {"energy": {"tau": 1.0}, "forces": {"tau": None}}}
VERDICT = {"selected": 12, "audit": 8, "uncertain": 9}


@pytest.mark.parametrize(
    ("judged", "info", "words"),
    [
        ({}, {}, "within its threshold"),
        ({"sane": False}, {"unphysical": "collision"}, "not sane (collision)"),
        ({"sane": False}, {}, "not finite"),
        ({"candidate": False}, {}, "labelled already"),
        ({"above_ceiling": True, "uncertain": True}, {}, "above a ceiling"),
        (
            {"uncertain": True, "reasons": "energy"},
            {},
            "uncertain (energy), but the rule random took 4 of 9 uncertain frames (at most 7)",
        ),
    ],
)
def test_the_reason_is_named(judged, info, words):
    parameters = EvaluationParameters.model_validate(
        {"selection": {"type": "random", "max_selected": 7}}
    )
    row = pd.Series(FINE | judged)
    assert words in _why_not(row, info, CALIBRATED, parameters, VERDICT)


def test_nothing_is_uncertain_where_nothing_is_calibrated():
    nothing = {"properties": {"energy": {"tau": None}}}
    said = _why_not(pd.Series(FINE), {}, nothing, EvaluationParameters(), VERDICT)
    assert "nothing was calibrated, and 4 sane frames were drawn at random" in said
