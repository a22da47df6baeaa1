"""A real campaign on carbon with each backend: the demo, with another trainer.

Two iterations each, of three members, on structures that GFN1-xTB labels; the label store is
shared, so that the first iteration's labels are bought once.

Run: python benchmarks/backends.py [--backends mace soap_bpnn pet] [--steps 1200] [--folder FOLDER]

The campaigns lie in FOLDER (a temporary one by default) and go on where they were when the command
is repeated.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[1]
COPIED = ("conf", "pyproject.toml", ".telemetry", "data/01_raw")
TRAINERS: dict[str, dict[str, Any]] = {
    "mace": {},
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


def prepare(folder: Path) -> None:
    """A project like this one, in which nothing has run."""
    for name in COPIED:
        source, target = PROJECT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    (folder / "src").mkdir(exist_ok=True)


def configure(folder: Path, backend: str, steps: int) -> None:
    """The demo's settings, with this backend as trainer and a campaign of its own."""
    own = folder / "conf" / backend
    if own.exists():
        return
    shutil.copytree(folder / "conf" / "demo", own)
    (own / "globals.yml").write_text(f"campaign: {backend}\n")
    path = own / "parameters_training.yml"
    settings = yaml.safe_load(path.read_text())
    if TRAINERS[backend]:
        settings["training"]["trainer"] = dict(TRAINERS[backend])
    settings["training"]["trainer"]["optimiser_steps"] = steps
    path.write_text(yaml.safe_dump(settings))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--backends", nargs="+", default=list(TRAINERS), choices=list(TRAINERS))
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        prepare(folder)
        for backend in given.backends:
            configure(folder, backend, given.steps)
            command = [sys.executable, "-m", "kedro", "campaign", "run", "--env", backend]
            command += ["--max-iterations", str(given.iterations)]
            started = time.perf_counter()
            done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
            print(f"\n== {backend}: exit {done.returncode}, {time.perf_counter() - started:.0f} s")
            said = (
                done.stdout if done.returncode == 0 else done.stdout[-4000:] + done.stderr[-4000:]
            )
            print(said[said.find("Campaign ") :], flush=True)


if __name__ == "__main__":
    main()
