"""Labelling by a cluster, a part of which is taken away: all labels arrive, none twice."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter

import ase.db
import pandas as pd
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WATCHED = '''
"""EMT that takes its time, and leaves a line when it begins and one when it ends."""

import os
import time
from pathlib import Path

from ase.calculators.emt import EMT

LOG = Path(__file__).parents[1] / "calculations.txt"


class WatchedEMT(EMT):
    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        where = f"{os.getpid()} {os.environ.get('SLURM_JOB_ID', '')}\\n"
        with LOG.open("a") as log:
            log.write(f"begun {where}")
        time.sleep(0.5)
        super().calculate(atoms, properties, system_changes)
        with LOG.open("a") as log:
            log.write(f"ended {where}")
'''


def kill_worker(pid: str, job: str = "") -> None:
    os.kill(int(pid), signal.SIGKILL)


def cancel_job(pid: str, job: str) -> None:
    subprocess.run(["scancel", job], check=True)


@pytest.mark.parametrize(
    ("kind", "take_away", "says"),
    [
        ("slurm", cancel_job, "CANCELLED); it is tried again"),
        ("dask", kill_worker, "its process died); it is tried again"),
        ("local", kill_worker, "SIGKILL(-9)); it is tried again"),
    ],
    ids=["slurm", "dask", "local"],
)
def test_all_labels_arrive_and_none_twice(request, project, kind, take_away, says):
    (project.folder / "src" / "watched.py").write_text(WATCHED)
    own = {"slurm": lambda: request.getfixturevalue("slurm")}
    executor = own[kind]() if kind in own else {"type": kind, "workers": 2}
    project.configure(
        {"labelling": {"engine": {"calculator": "watched.WatchedEMT"}, "executor": executor}}
    )
    command = project.start("run", "--pipelines", "augmentation,labelling")
    log = project.folder / "calculations.txt"
    while not log.exists() or log.read_text().count("ended") < 4:
        assert command.poll() is None, command.output
        time.sleep(0.02)
    while (last := log.read_text().splitlines()[-1].split())[0] != "begun":
        time.sleep(0.02)
    take_away(*last[1:])
    assert command.wait(300) == 0, command.output
    assert says in " ".join(command.output.split())

    version = project.versions("labels.h5")[-1]
    ids = sorted(project.structures("labels.h5", version).id)
    (augmented,) = project.versions("augmented_structures.h5")
    assert ids == sorted(project.structures("augmented_structures.h5", augmented).id)
    rows = ase.db.connect(project.folder / "data" / "03_primary" / "labels.db").select()
    assert sorted(row.structure[1:] for row in rows) == ids
    report = pd.read_csv(project.path("labelling_report.csv", version))
    assert sorted(report.id) == ids and set(report.status) == {"computed"}
    calls = Counter(line.split()[0] for line in log.read_text().splitlines())
    assert calls == {"begun": len(ids) + 1, "ended": len(ids)}
