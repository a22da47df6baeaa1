"""What the iterations of a campaign left in their reports and run records, oldest first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from potwright.run_records import all_records

TABLES = ("metrics", "labelling_report", "exploration_report")
DOCUMENTS = ("calibration", "verdict")


@dataclass(frozen=True, eq=False)
class IterationReports:
    """The reports of one iteration; what it has not come to is empty.

    Attributes
    ----------
    campaign
        Whose iteration it is.
    number
        Which it is, from 1.
    version
        That of everything that it saved.
    record
        Its run record.
    metrics, labelling_report, exploration_report
        Tables as the stages save them.
    calibration, verdict
        Documents as the evaluation saves them.
    """

    campaign: str
    number: int
    version: str
    record: dict[str, Any]
    metrics: pd.DataFrame
    labelling_report: pd.DataFrame
    exploration_report: pd.DataFrame
    calibration: dict[str, Any]
    verdict: dict[str, Any]


def read_reports(folder: Path, until: str | None = None) -> list[IterationReports]:
    """The reports of all iterations of a campaign.

    Parameters
    ----------
    folder
        The campaign's folder of reports, in which ``runs`` holds the run records.
    until
        A version; what is newer does not count.

    Returns
    -------
    list
        The last attempt at each iteration. Where there was no campaign, only runs of Kedro's own
        command, those runs that came to an evaluation.
    """
    records = [r for r in all_records(folder / "runs") if until is None or r["run_id"] <= until]
    attempts = {record["iteration"]: record for record in records if "iteration" in record}
    if not attempts:
        evaluated = [r for r in records if "metrics" in r.get("saved", {})]
        attempts = dict(enumerate(evaluated, start=1))
    return [_read(folder, number, attempts[number]) for number in sorted(attempts)]


def _read(folder: Path, number: int, record: dict[str, Any]) -> IterationReports:
    version = record["run_id"]
    found: dict[str, Any] = {}
    for name in TABLES:
        path = folder / f"{name}.csv" / version / f"{name}.csv"
        found[name] = pd.read_csv(path) if path.is_file() else pd.DataFrame()
    for name in DOCUMENTS:
        path = folder / f"{name}.json" / version / f"{name}.json"
        found[name] = json.loads(path.read_text()) if path.is_file() else {}
    return IterationReports(folder.name, number, version, record, **found)
