"""Real campaigns on carbon: the demo with each backend, and fine-tuning a foundation model.

Two iterations each, of three members, on structures that GFN1-xTB labels; the label store is
shared, so that the first iteration's labels are bought once. The foundation model learnt Tersoff's
potential on crystals of its own. The table at the end has the force errors on the first iteration's
test set, which all campaigns share, and the number of labels at which fine-tuning reaches the error
that MACE from scratch ends with.

Run: python benchmarks/campaigns.py [--arms mace soap_bpnn pet fine_tuned] [--steps 1200]
     [--folder FOLDER]

The campaigns lie in FOLDER (a temporary one by default) and go on where they were when the command
is repeated.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from foundations import foundation_model, tersoff

from potwright import settings
from potwright.configuration import ConfigLoader
from potwright.files import complete_or_absent
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.run_records import all_records, runs_folder

PROJECT = Path(__file__).parents[1]
COPIED = ("conf", "pyproject.toml", ".telemetry", "data/01_raw")
FIRST_TEST = "test of first iteration"
FORCES = "rmse_forces_members_mean_mev_per_angstrom"
TRAINERS: dict[str, dict[str, Any]] = {
    "soap_bpnn": {
        "type": "metatrain",
        "architecture": "soap_bpnn",
        "settings": {
            "model": {
                "soap": {"max_angular": 4, "max_radial": 4, "cutoff": {"radius": 4.0}},
                "bpnn": {"num_hidden_layers": 2, "num_neurons_per_layer": 32},
            },
            "training": {"batch_size": 1, "learning_rate": 0.003},
        },
    },
    "pet": {
        "type": "metatrain",
        "architecture": "pet",
        "settings": {
            "model": {
                "cutoff": 3.5,
                "d_pet": 32,
                "d_head": 32,
                "d_node": 64,
                "d_feedforward": 64,
                "num_heads": 4,
                "num_attention_layers": 1,
                "num_gnn_layers": 2,
            },
            "training": {"batch_size": 1, "learning_rate": 0.001},
        },
    },
}


ARMS = ("mace", *TRAINERS, "fine_tuned")
FINE_TUNED_LR = 0.02


def prepare(folder: Path) -> None:
    """A project like this one, in which nothing has run."""
    for name in COPIED:
        source, target = PROJECT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    (folder / "src").mkdir(exist_ok=True)


def configure(folder: Path, arm: str, steps: int) -> None:
    """The demo's settings, with this arm's training and a campaign of its own."""
    own = folder / "conf" / arm
    if own.exists():
        return
    name = "parameters_training.yml"
    given = yaml.safe_load((folder / "conf" / "demo" / name).read_text())
    training = given["training"]
    if arm in TRAINERS:
        training["trainer"] = dict(TRAINERS[arm])
    training["trainer"]["optimiser_steps"] = steps
    if arm == "fine_tuned":
        training["start"] = {"type": "foundation", "model": str(foundation(folder, steps))}
        training["trainer"]["settings"]["lr"] = FINE_TUNED_LR
    with complete_or_absent(own) as temporary:
        shutil.copytree(folder / "conf" / "demo", temporary)
        (temporary / "globals.yml").write_text(f"campaign: {arm}\n")
        (temporary / name).write_text(yaml.safe_dump(given))


def foundation(folder: Path, steps: int) -> Path:
    """The demo's network, trained on Tersoff's carbon."""
    labelled = tersoff(80, seed=1)
    split = ["validation" if i % 5 == 4 else "training" for i in range(len(labelled))]
    conf = ConfigLoader(str(folder / "conf"), env="demo", **settings.CONFIG_LOADER_ARGS)
    training = conf["parameters"]["training"] | {"members": 2}
    training["trainer"]["optimiser_steps"] = steps
    parameters = TrainingParameters.model_validate(training)
    return foundation_model(folder, labelled.replace(split=split), parameters)


def run(folder: Path, arm: str, iterations: int) -> None:
    """The campaign up to so many iterations, and what it says of itself."""
    left = iterations - len(completed(folder, arm))
    if left < 1:
        return
    command = [sys.executable, "-m", "kedro", "campaign", "run", "--env", arm]
    command += ["--max-iterations", str(left)]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    print(f"\n== {arm}: exit {done.returncode}, {time.perf_counter() - started:.0f} s")
    said = done.stdout if done.returncode == 0 else done.stdout[-4000:] + done.stderr[-4000:]
    print(said[said.find("Campaign ") :], flush=True)


def completed(folder: Path, arm: str) -> list[dict[str, Any]]:
    """Records of the iterations that are done."""
    records = all_records(runs_folder(folder, arm))
    return [one for one in records if "iteration" in one and one["status"] == "completed"]


def table_of(folder: Path, arms: list[str]) -> pd.DataFrame:
    """By arm and iteration: labels, force errors on the first test set (meV/Å), and verdict."""
    rows = []
    for arm in arms:
        reports = folder / "data" / "08_reporting" / arm
        for number, path in enumerate(sorted(reports.glob("metrics.csv/*/metrics.csv")), start=1):
            metrics = pd.read_csv(path)
            of_all = metrics[(metrics["set"] == FIRST_TEST) & (metrics["origin"] == "all")]
            verdict = reports / "verdict.json" / path.parent.name / "verdict.json"
            labelling = reports / "labelling_report.csv" / path.parent.name / "labelling_report.csv"
            labels = pd.read_csv(labelling)["status"].isin(["computed", "from store"]).sum()
            rows.append(
                {
                    "arm": arm,
                    "iteration": number,
                    "labels": int(labels) + (rows[-1]["labels"] if number > 1 else 0),
                    "forces": float(of_all[FORCES].iloc[0]),
                    "verdict": json.loads(verdict.read_text())["verdict"],
                }
            )
    return pd.DataFrame(rows)


def reaches(table: pd.DataFrame) -> str:
    """With how many labels fine-tuning reaches scratch's last error."""
    scratch, tuned = (table[table["arm"] == arm] for arm in ("mace", "fine_tuned"))
    goal = scratch.iloc[-1]
    there = tuned[tuned["forces"] <= goal["forces"]]
    number = f"with {there['labels'].iloc[0]}" if len(there) else "not yet with those it bought"
    return (
        f"from scratch: {goal['forces']:.0f} meV/Å with {goal['labels']} labels; "
        f"fine-tuning reaches it {number}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        prepare(folder)
        for arm in given.arms:
            configure(folder, arm, given.steps)
            run(folder, arm, given.iterations)
        table = table_of(folder, given.arms)
        print(table.round(1).to_string(index=False))
        if {"mace", "fine_tuned"} <= set(given.arms):
            print(reaches(table))


if __name__ == "__main__":
    main()
