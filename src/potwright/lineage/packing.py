"""A campaign as a folder to publish: data, labels, run records, provenance, checksums.

Files lie below ``data/`` as they do in the project, so that they can be laid into another one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from potwright.campaign.labels import label_store, store_place
from potwright.files import sha256
from potwright.lineage.formats import write_graph
from potwright.lineage.graph import full_graph, reduced_graph
from potwright.lineage.holdings import Holdings

CHECKSUMS, CONTENTS, PROVENANCE = "SHA256SUMS", "CONTENTS.md", "provenance"
STORE = Path("data/03_primary/labels.db")


@dataclass(frozen=True)
class Packed:
    """What was packed: files, their bytes, calculations, and what is not as it should be."""

    files: int
    size: int
    calculations: int
    remarks: tuple[str, ...]


def pack(holdings: Holdings, folder: Path) -> Packed:
    """Add all that a campaign has to a folder, and checksums of everything in it.

    Parameters
    ----------
    holdings
        The campaign's; its iterations are packed.
    folder
        Is there already. What it holds gets checksums, too.
    """
    remarks = [*_copy_versions(holdings, folder), *_copy_inputs(holdings, folder)]
    calculations = _copy_labels(holdings, folder)
    (folder / PROVENANCE).mkdir()
    full = full_graph(holdings)
    write_graph(full, folder / PROVENANCE / "full")
    write_graph(reduced_graph(full), folder / PROVENANCE / "reduced")
    (folder / CONTENTS).write_text(_contents(holdings, calculations, remarks))
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    lines = [f"{sha256(p)}  {p.relative_to(folder).as_posix()}\n" for p in files]
    (folder / CHECKSUMS).write_text("".join(lines))
    size = sum(p.stat().st_size for p in files)
    return Packed(len(files), size, calculations, tuple(remarks))


def _copy_versions(holdings: Holdings, folder: Path) -> Iterator[str]:
    """Every dataset version of the iterations, and their records; says what is missing."""
    project, runs = holdings.campaign.project, holdings.campaign.runs
    for iteration in holdings.iterations:
        _copy(runs / f"{iteration.version}.json", project, folder)
        saved = iteration.record.get("saved", {})
        for name in dict.fromkeys([*saved, *_versioned(holdings)]):
            place = holdings.place(name, iteration.version)
            if place.exists():
                _copy(place, project, folder)
            elif name in saved:
                yield f"{name} of iteration {iteration.number} is no longer at {place}"
    if (aim := runs.parent / "campaign.json").is_file():
        _copy(aim, project, folder)


def _versioned(holdings: Holdings) -> list[str]:
    """Datasets that may have a version of an iteration: reports and figures are made after it."""
    entries = holdings.campaign.catalog.items()
    kept = [(name, entry) for name, entry in entries if isinstance(entry, dict)]
    return [name for name, e in kept if e.get("versioned") and not e.get("previous")]


def _copy_inputs(holdings: Holdings, folder: Path) -> Iterator[str]:
    """The user's files; says which are not what was read."""
    project = holdings.campaign.project
    recorded: dict[str, str] = {}
    for iteration in holdings.iterations:
        for files in iteration.record.get("inputs", {}).values():
            recorded |= files
    for name, checksum in recorded.items():
        path = project / name
        if not path.is_file():
            yield f"the input {name} is no longer there"
            continue
        if sha256(path) != checksum:
            yield f"the input {name} has changed since it was read"
        _copy(path, project, folder)
    if not recorded:
        yield "records of this version of Potwright do not name the input files: none is packed"


def _copy_labels(holdings: Holdings, folder: Path) -> int:
    """The calculations of what the campaign meant to label, at its level of theory."""
    from potwright.quantum import LabelStore
    from potwright.quantum.stored_calculations import copy_calculations

    ids: dict[str, None] = {}
    levels: set[str] = set()
    for iteration in holdings.iterations:
        report = holdings.table("labelling_report", iteration)
        ids |= dict.fromkeys(report["id"] if len(report) else ())
        levels |= set(holdings.structures("labels", iteration).level_of_theory.tolist())
    place = store_place(holdings.campaign)
    if "://" not in place and not (holdings.campaign.project / place).exists():
        return 0
    target = folder / STORE
    with label_store(holdings.campaign) as store:
        copy = LabelStore(target)
        count = copy_calculations(store, copy, ids, levels)
        copy.close()
    for lock in target.parent.glob(f".{target.name}*"):
        lock.unlink()
    return count


def _copy(path: Path, project: Path, folder: Path) -> None:
    """To the same place below ``folder``; what lies outside the project, below ``data/outside``."""
    inside = path.is_relative_to(project)
    below = path.relative_to(project) if inside else Path("data/outside", *path.parts[1:])
    target = folder / below
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, target)
    else:
        shutil.copyfile(path, target)


def _contents(holdings: Holdings, calculations: int, remarks: list[str]) -> str:
    name = holdings.campaign.name
    rows = [
        f"| {i.number} | {i.version} | {i.status} | {_commit(i.record)} |"
        for i in holdings.iterations
    ]
    notes = ["## Remarks\n", *(f"- {remark}" for remark in remarks), ""] if remarks else []
    return "\n".join(
        [
            f"# Campaign {name}: data and provenance\n",
            "| iteration | version | status | commit of the project |",
            "|---|---|---|---|",
            *rows,
            "",
            "| here | is |",
            "|---|---|",
            "| `README.md`, `member_*`, … | the committee, ready for use |",
            f"| `data/…/{name}/NAME/VERSION/` | every dataset of every iteration |",
            f"| `data/08_reporting/{name}/runs/` | run records: parameters, versions of data and "
            "packages, commit, wall time of each node |",
            f"| `{STORE}` | {calculations} calculations, failed ones with their reason; an ASE "
            "database |",
            "| `data/01_raw/` | the input files |",
            f"| `{PROVENANCE}/full.*` | every node that ran, every dataset version: W3C PROV-JSON, "
            "Graphviz |",
            f"| `{PROVENANCE}/reduced.*` | the same, one node a stage and iteration |",
            "",
            f"Verify: `sha256sum -c {CHECKSUMS}`.\n",
            "To look at it with Potwright, copy `data/` into a project whose `globals.yml` says "
            f"`campaign: {name}`: `kedro campaign status`, and `kedro campaign trace ID` for the "
            "history of any structure.\n",
            *notes,
        ]
    )


def _commit(record: dict[str, Any]) -> str:
    return str(record.get("git_commit") or "unknown")
