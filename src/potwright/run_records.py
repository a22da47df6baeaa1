"""Run records: what each session read, made and used, in one JSON file a version.

A record is merged, not replaced: the parts of an iteration that was interrupted and resumed add up.
"""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from potwright.files import complete_or_absent

PROGRESS = "progress.json"
"""Beside the folder of records: how far the node is that runs now, while it is at work."""

PACKAGES = (
    "potwright",
    "kedro",
    "ase",
    "numpy",
    "torch",
    "mace-torch",
    "metatrain",
    "tblite",
)


def runs_folder(project: Path, campaign: str) -> Path:
    """Where the records of a campaign lie."""
    return project / "data" / "08_reporting" / campaign / "runs"


def read_record(folder: Path, run: str) -> dict[str, Any]:
    """The record of a run; empty if there is none."""
    path = folder / f"{run}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def merge_record(folder: Path, run: str, news: dict[str, Any]) -> dict[str, Any]:
    """Add ``news`` to the record of a run: dictionaries are merged, other values replaced."""
    record = _merged(read_record(folder, run), {"run_id": run, **news})
    with complete_or_absent(folder / f"{run}.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1, default=str))
    return record


def all_records(folder: Path) -> list[dict[str, Any]]:
    """All records of a campaign, oldest first."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def package_versions() -> dict[str, str]:
    """Versions of what results depend on."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def git_commit(project: Path) -> str | None:
    """The commit that the project is at, with ``+`` if files differ from it; None outside git."""
    try:
        commit, changed = (
            subprocess.run(
                ["git", *arguments], cwd=project, capture_output=True, text=True, check=True
            ).stdout.strip()
            for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain", "-uno"))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changed else "")


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(old[key], value)
        for key, value in new.items()
        if isinstance(value, dict) and isinstance(old.get(key), dict)
    }
    return {**old, **new, **both}
