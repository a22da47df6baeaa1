"""A fifth of the labels fails, some workers are killed: every other label arrives, none twice.

What happens to a structure follows from its coordinates, so that the test knows it.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from typing import Any

import ase.db
import pandas as pd
import pytest

from potwright.pes import PESData

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FAULTY = '''
"""EMT that fails for a fifth of the structures, and kills its process for some."""

import os
import signal
from hashlib import blake2b
from pathlib import Path

from ase.calculators.emt import EMT

BEGUN = Path(__file__).parents[1] / "begun"


def fate(positions):
    """What happens to a structure."""
    number = int.from_bytes(blake2b(positions.tobytes(), digest_size=4).digest()) / 2**32
    fates = [(0.2, "fails"), (0.25, "kills its worker once"), (0.27, "kills all its workers")]
    return next((fate for limit, fate in fates if number < limit), "labelled")


class FaultyEMT(EMT):
    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        this = fate(atoms.positions)
        BEGUN.mkdir(exist_ok=True)
        name = blake2b(atoms.positions.tobytes(), digest_size=8).hexdigest()
        with (BEGUN / name).open("a") as file:
            file.write(this[0])
            file.flush()
            tries = file.tell()
        if this == "fails":
            raise RuntimeError("SCF did not converge")
        if this == "kills all its workers" or (this == "kills its worker once" and tries == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        super().calculate(atoms, properties, system_changes)
'''

STATUS = {"labelled": "computed", "kills its worker once": "computed"}


def rows(project) -> list[Any]:
    """All calculations in the label store."""
    return list(ase.db.connect(project.folder / "data" / "03_primary" / "labels.db").select())


def report(project) -> pd.DataFrame:
    """What the last run says of each candidate."""
    version = project.versions("labelling_report.csv")[-1]
    return pd.read_csv(project.path("labelling_report.csv", version))


def augmented(project) -> PESData:
    name = "augmented_structures.h5"
    return project.structures(name, project.versions(name)[-1])


def test_failing_labels_and_dying_workers_cost_no_other_label(project):
    path = project.folder / "src" / "faulty.py"
    path.write_text(FAULTY)
    spec = importlib.util.spec_from_file_location("faulty", path)
    faulty = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(faulty)
    project.configure(
        {
            "augmentation": {"copies": 30},
            "labelling": {
                "engine": {"calculator": "faulty.FaultyEMT"},
                "executor": {"type": "local", "workers": 2},
            },
        }
    )
    project.succeed("campaign", "run", "--max-iterations", "1")

    structures = augmented(project)
    fates = {
        id: faulty.fate(atoms.positions)
        for id, atoms in zip(structures.id, structures.to_atoms(), strict=True)
    }
    assert set(fates.values()) >= {"fails", "kills its worker once", "labelled"}
    told = report(project)
    assert len(told) == len(structures) and set(told.id) == set(fates)
    screened = set(told.id[told.status == "screened"])
    expected = {id: STATUS.get(fate, "failed") for id, fate in fates.items() if id not in screened}
    assert dict(zip(told.id, told.status, strict=True)) == {
        **expected,
        **dict.fromkeys(screened, "screened"),
    }
    stored = Counter(row.structure[1:] for row in rows(project))
    assert stored == Counter(list(expected))
    version = project.versions("labels.h5")[-1]
    labelled = project.structures("labels.h5", version)
    assert set(labelled.id) == {id for id, status in expected.items() if status == "computed"}
    tries = sorted(path.read_text() for path in faulty.BEGUN.iterdir())
    assert len(tries) == len(expected)
    assert set(tries) <= {"f", "l", "kk"}  # who kills workers was tried exactly twice
