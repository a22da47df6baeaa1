"""The card of an exported committee: what it is, how good it is, how to use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from ase.data import chemical_symbols

from potwright.potentials.backends import backend_of
from potwright.potentials.error_bars import UNITS, error_bars

if TYPE_CHECKING:
    from potwright.potentials.committee import Committee

PACKAGES = ("potwright", "ase", "numpy", "torch", "mace-torch", "metatrain", "metatomic-torch")
MILLI = {"energy": "mev_per_atom", "forces": "mev_per_angstrom", "stress": "mev_per_angstrom3"}
WRITTEN = {"energy": "meV/atom", "forces": "meV/Å", "stress": "meV/Å³"}


@dataclass(frozen=True, eq=False)
class Provenance:
    """Where a committee comes from; what is not known is left empty.

    Attributes
    ----------
    campaign, iteration, version, date
        Whose committee it is, of which iteration and data version, and when it was exported.
    level_of_theory
        Of the labels: engine, version and settings in words.
    data
        Labelled structures: columns set, structures, atoms, groups.
    metrics
        The ``metrics`` of the evaluation.
    verdict
        What the evaluation concluded.
    """

    campaign: str = ""
    iteration: int | None = None
    version: str = ""
    date: str = ""
    level_of_theory: str = ""
    data: pd.DataFrame = field(default_factory=pd.DataFrame)
    metrics: pd.DataFrame = field(default_factory=pd.DataFrame)
    verdict: str = ""


def write_card(committee: Committee, names: Sequence[str], provenance: Provenance) -> str:
    """The text of ``README.md``.

    Parameters
    ----------
    committee
        The committee.
    names
        Names of its members' files in the folder.
    provenance
        Where it comes from.
    """
    symbols = [chemical_symbols[int(z)] for z in committee.record.get("species", [])]
    backend = backend_of(committee.backend)
    parts = [
        f"# Interatomic potential for {', '.join(symbols) or 'unknown species'}\n",
        f"A committee of {len(committee)} {committee.backend} potentials, made by Potwright.\n",
        _what(committee, provenance, symbols),
        _data(provenance),
        _errors(provenance),
        _bars(committee),
        "## Use it in ASE\n\nWith Potwright, from this folder or with its path:\n",
        "```python\nfrom potwright.potentials import load_committee\n\n"
        'committee = load_committee(".")\n'
        "atoms.calc = committee.calculator()           # the mean; member=0 for one member\n"
        "atoms.get_forces()\n"
        'atoms.calc.results["forces_uncertainty"]      # error bar of each atom, eV/Å\n'
        "print(atoms.calc.meaning)                     # what the error bars mean\n```\n",
        f"Without Potwright:\n\n```python\n{backend.ase_text(names)}\n```\n",
        "A structure that is periodic in some direction is evaluated as periodic in all: give it "
        "at least 15 Å of vacuum along the others.\n",
        f"## Use it in LAMMPS\n\n{backend.lammps_text(names, symbols or ['C'])}\n",
        _files(committee, names),
        _versions(committee.record),
    ]
    return "\n".join(part for part in parts if part)


def _what(committee: Committee, provenance: Provenance, symbols: Sequence[str]) -> str:
    record = committee.record
    e0 = {
        chemical_symbols[int(z)]: f"{float(e):.4f} eV"
        for z, e in record.get("reference_energies_ev", {}).items()
    }
    rows = {
        "species": ", ".join(symbols),
        "level of theory": provenance.level_of_theory or ", ".join(_levels(record)),
        "energies of isolated atoms": _pairs(e0),
        "where these come from": record.get("reference_energies_source", ""),
        "trainer": _pairs(_flat(record.get("trainer", {}))),
        "campaign": provenance.campaign,
        "iteration": provenance.iteration,
        "data version": provenance.version,
        "exported": provenance.date,
        "verdict": provenance.verdict,
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items() if value not in ("", None)]
    return "\n".join(["## What it is\n", "| | |", "|---|---|", *lines, ""])


def _data(provenance: Provenance) -> str:
    if provenance.data.empty:
        return ""
    return f"## What it has learnt from\n\n{_table(provenance.data)}\n"


def _errors(provenance: Provenance) -> str:
    metrics = provenance.metrics
    if metrics.empty:
        return "## How good it is\n\nNo evaluation came with it.\n"
    chosen = metrics[metrics["origin"] == "all"]
    rows = [
        {"set": row["set"], "structures": row["structures"]}
        | {
            f"{name}, {WRITTEN[name]}": (
                f"{row[f'rmse_{name}_committee_{unit}']:.3g} "
                f"(members {row[f'rmse_{name}_members_mean_{unit}']:.3g} ± "
                f"{row[f'rmse_{name}_members_std_{unit}']:.2g})"
            )
            for name, unit in MILLI.items()
        }
        for row in chosen.to_dict("records")
    ]
    return (
        "## How good it is\n\nRoot mean square errors of the committee mean, and of its members "
        f"(mean ± standard deviation).\n\n{_table(pd.DataFrame(rows))}\n"
    )


def _bars(committee: Committee) -> str:
    bars = error_bars(committee.calibration, len(committee))
    lines = [
        f"- `{name}_uncertainty`{f' ({unit})' if name in bars.bars else ''}: {bars.meaning[name]}."
        for name, unit in UNITS.items()
    ]
    how = (
        "\n**Not all of these should be believed**, for the reasons given.\n" if bars.doubts else ""
    )
    text = "\n".join(lines)
    return (
        "## How far to trust it\n\nThe members' disagreement D is the spread of their predictions, "
        f"in `results` beside the error bars of what is returned:\n\n{text}\n{how}"
    )


def _files(committee: Committee, names: Sequence[str]) -> str:
    files = {
        ", ".join(f"`{name}`" for name in names): "the members",
        "`committee.json`": "settings, seeds, ids of the training structures, learning curves",
        "`calibration.json`": "where the error bars come from" if committee.calibration else "",
        "`metrics.csv`": "errors by set and origin",
    }
    lines = [f"| {name} | {what} |" for name, what in files.items() if what]
    return "\n".join(["## Files\n", "| | |", "|---|---|", *lines, ""])


def _versions(record: Mapping[str, Any]) -> str:
    trained = record.get("versions", {})
    rows = [
        {"package": name, "trained with": trained.get(name, ""), "exported with": _installed(name)}
        for name in dict.fromkeys([*PACKAGES, *trained])
    ]
    return f"## Versions\n\n{_table(pd.DataFrame(rows))}\n"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _levels(record: Mapping[str, Any]) -> list[str]:
    levels = record.get("level_of_theory", [])
    return [levels] if isinstance(levels, str) else [level for level in levels if level]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items() if value is not None)


def _table(rows: pd.DataFrame) -> str:
    """A Markdown table, without the package that pandas asks for."""

    def line(cells: Iterable[Any]) -> str:
        return "| " + " | ".join(_cell(cell) for cell in cells) + " |"

    body = [line(row) for row in rows.itertuples(index=False)]
    return "\n".join([line(rows.columns), line(["---"] * len(rows.columns)), *body])


def _cell(value: Any) -> str:
    return "" if isinstance(value, float) and np.isnan(value) else str(value)
