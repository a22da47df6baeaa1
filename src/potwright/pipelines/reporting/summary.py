"""What the page says in words and tables: verdict, numbers, calibration, failures, provenance."""

from __future__ import annotations

import json
from collections.abc import Sequence, Sized
from typing import Any

import pandas as pd

from potwright.iteration_reports import IterationReports
from potwright.pipelines.reporting import style
from potwright.uncertainty import PROPERTIES
from potwright.uncertainty.measurement import UNITS, WRITTEN_UNITS

NOTHING = "–"
STATES = {"converged": "good", "continue": "neutral", "failed": "bad", "unfinished": "neutral"}
Table = dict[str, Any]


def summarise(history: Sequence[IterationReports]) -> dict[str, Any]:
    """All of the page that is no figure, of the newest iteration."""
    if not history:
        return {"title": "No iteration", "verdict": "No iteration has begun.", "state": "neutral"}
    reports = history[-1]
    headline, details = verdict_of(reports)
    return {
        "title": f"Campaign {reports.campaign}, iteration {reports.number}",
        "verdict": headline,
        "details": details,
        "state": STATES.get(_state(reports), "neutral"),
        "unfinished": _state(reports) in ("failed", "unfinished"),
        "absent": _absent(reports),
        "saved": sorted(reports.record.get("saved", {})),
        "tiles": _tiles(history),
        "calibration": _calibration(reports),
        "errors": _errors(reports),
        "failures": _failures(history),
        "provenance": _provenance(reports),
        "parameters": json.dumps(reports.record.get("parameters", {}), indent=2, default=str),
    }


def verdict_of(reports: IterationReports) -> tuple[str, list[str]]:
    """One sentence, and what it rests on: what is missing for convergence, or the error."""
    record = reports.record
    state = _state(reports)
    if state == "failed":
        lines = str(record.get("error") or "").splitlines()
        return f"Iteration {reports.number} failed; its report shows what was finished.", lines
    if state == "unfinished":
        at = record.get("running")
        where = f" in {at.replace('_', ' ')}" if at else ""
        return f"Iteration {reports.number} is running{where}, or was interrupted there.", []
    message = reports.verdict.get("message", f"Iteration {reports.number} has come to no verdict.")
    return message.split(" Not converged:")[0], list(
        reports.verdict.get("missing_for_convergence", [])
    )


def _absent(reports: IterationReports) -> list[str]:
    """What figures over iterations show of former iterations only."""
    parts: dict[str, Sized] = {
        "labels": reports.labelling_report,
        "errors": reports.metrics,
        "trajectories": reports.exploration_report,
        "selection": reports.verdict,
    }
    return [name for name, part in parts.items() if not len(part)]


def _state(reports: IterationReports) -> str:
    status = reports.record.get("status")
    if status == "failed":
        return "failed"
    if status != "completed":
        return "unfinished"
    return str(reports.verdict.get("verdict", "unfinished"))


def _tiles(history: Sequence[IterationReports]) -> list[dict[str, str]]:
    """The numbers that one looks for first."""
    reports = history[-1]
    verdict, tiles = reports.verdict, []
    bought = sum(_computed(r.labelling_report) for r in history)
    tiles.append({"value": str(bought), "name": "labels computed in all iterations"})
    if verdict.get("uncertain_fraction") is not None:
        share = f"{verdict['uncertain_fraction']:.0%}"
        tiles.append({"value": share, "name": "of the sane frames are uncertain"})
    row = _row(reports.metrics, "test")
    for name in PROPERTIES:
        value = row.get(f"rmse_{name}_committee_{UNITS[name]}")
        if value is not None and pd.notna(value):
            tiles.append(
                {
                    "value": f"{style.three_digits(value)} {WRITTEN_UNITS[name]}",
                    "name": f"{name}, test error",
                }
            )
    seconds = sum(n["seconds"] for r in history for n in r.record.get("nodes", {}).values())
    tiles.append({"value": _duration(seconds), "name": "wall time of all iterations"})
    return tiles


def _errors(reports: IterationReports) -> Table | None:
    """Errors of this iteration by set."""
    if reports.metrics.empty:
        return None
    rows = reports.metrics[reports.metrics["origin"] == "all"].to_dict("records")
    heads = ["set", "structures"]
    heads += [f"{name}, {WRITTEN_UNITS[name]}: members" for name in PROPERTIES]
    heads += [f"{name}: mean" for name in PROPERTIES]
    cells = []
    for row in rows:
        members = [
            f"{_number(row[f'rmse_{n}_members_mean_{UNITS[n]}'])} ± "
            f"{_number(row[f'rmse_{n}_members_std_{UNITS[n]}'])}"
            for n in PROPERTIES
        ]
        means = [_number(row[f"rmse_{n}_committee_{UNITS[n]}"]) for n in PROPERTIES]
        left_out = f" ({row['left_out']} trained on, left out)" if row.get("left_out") else ""
        cells.append([row["set"], f"{row['structures']}{left_out}", *members, *means])
    return {"heads": heads, "rows": cells}


def _calibration(reports: IterationReports) -> Table | None:
    """Factors, rates on the audit sample, and whether to trust them."""
    properties = reports.calibration.get("properties")
    if not properties:
        return None
    heads = ["", "ε_thr", "τ", "a", "factor", "ρ(D, b), lower bound", "TPR, audit", "PPV, audit"]
    rows = []
    for name, entry in properties.items():
        audit = entry["audit"] or {}
        numbers = [_number(entry[key]) for key in ("error_threshold", "tau", "a", "factor")]
        rho = f"{_number(entry['rho'])}, {_number(entry['rho_lower_bound'])}"
        rates = [
            _proportion(audit.get(key))
            for key in ("true_positive_rate", "positive_predictive_value")
        ]
        head = f"{name}, {entry['unit']}"
        rows.append([head, *numbers, rho, *rates, "yes" if entry["trusted"] else "no"])
    reasons = [f"{name}: {entry['reason']}." for name, entry in properties.items()]
    return {"heads": [*heads, "trusted"], "rows": rows, "notes": reasons}


def _failures(history: Sequence[IterationReports]) -> Table | None:
    """Labels that failed, by iteration and reason, with an example."""
    rows = []
    for reports in history:
        table = reports.labelling_report
        if table.empty:
            continue
        failed = table[table["status"].str.startswith("failed")]
        for reason, part in failed.groupby("reason"):
            example = str(part["message"].iloc[0]).partition("\n")[0]
            rows.append([str(reports.number), str(reason), str(len(part)), example])
    return {"heads": ["iteration", "reason", "structures", "for example"], "rows": rows}


def _provenance(reports: IterationReports) -> Table:
    """Where all of this comes from."""
    record = reports.record
    commit = record.get("git_commit") or "not in a git repository"
    if commit.endswith("+"):
        commit = f"{commit[:-1]}, with changes"
    rows = [
        ["version", reports.version],
        ["made from version", record.get("parent") or "none: the first iteration"],
        ["status", record.get("status", NOTHING)],
        ["begun", record.get("started", NOTHING)],
        ["ended", record.get("ended", NOTHING)],
        ["environment (--env)", record.get("env") or NOTHING],
        ["git commit", commit],
        ["seed", str(record.get("parameters", {}).get("seed", NOTHING))],
        ["labels by", _engine(record)],
        ["packages", ", ".join(f"{n} {v}" for n, v in record.get("packages", {}).items())],
        *_versions("loaded", record.get("loaded", {})),
        *_versions("saved", record.get("saved", {})),
    ]
    return {"heads": [], "rows": [[str(cell) for cell in row] for row in rows]}


def _engine(record: dict[str, Any]) -> str:
    """The engine and its settings, as configured."""
    engine = dict(record.get("parameters", {}).get("labelling", {}).get("engine", {}))
    settings = ", ".join(f"{key} {value}" for key, value in engine.items() if key != "type")
    return f"{engine.get('type', NOTHING)} ({settings})" if settings else NOTHING


def _versions(what: str, versions: dict[str, str]) -> list[list[str]]:
    """Which datasets are of which version."""
    return [
        [f"{what} of {version}", ", ".join(sorted(n for n, v in versions.items() if v == version))]
        for version in sorted(set(versions.values()))
    ]


def _row(metrics: pd.DataFrame, which: str) -> dict[str, Any]:
    if metrics.empty:
        return {}
    rows = metrics[(metrics["set"] == which) & (metrics["origin"] == "all")]
    return dict(rows.iloc[0]) if len(rows) else {}


def _computed(labelling: pd.DataFrame) -> int:
    return 0 if labelling.empty else int((labelling["status"] == "computed").sum())


def _number(value: Any) -> str:
    return NOTHING if value is None or pd.isna(value) else style.three_digits(value)


def _proportion(rate: dict[str, Any] | None) -> str:
    if not rate or rate["value"] is None:
        return NOTHING
    return f"{rate['value']:.2f} ({rate['successes']} of {rate['trials']})"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
