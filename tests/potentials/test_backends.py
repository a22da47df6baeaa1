"""A mistake with a model file is named, whichever backend opens it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk

from potwright.errors import InputError
from potwright.execution import LocalExecutor
from potwright.pes import PESData
from potwright.potentials import Committee, load_committee, prediction
from potwright.potentials.backends import backend_of
from potwright.potentials.model_file import evaluator
from potwright.potentials.prediction import Piece, Pieces, Work, everything


def notes(folder: Path) -> Path:
    (folder / "notes.txt").write_text("not a model")
    return folder / "notes.txt"


def checkpoint(folder: Path) -> Path:
    torch.save({"epoch": 3, "model": {}}, folder / "model.ckpt")
    return folder / "model.ckpt"


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
@pytest.mark.parametrize("wrong", [notes, checkpoint])
@pytest.mark.parametrize(
    ("backend", "words"),
    [("mace", "not a MACE model"), ("metatrain", "not an exported metatomic model")],
)
def test_a_file_that_is_no_model_is_named(
    backend: str, words: str, wrong: object, tmp_path: Path
) -> None:
    path = wrong(tmp_path)  # type: ignore[operator]
    with pytest.raises(InputError, match=rf"{path.name}: {words}"):
        evaluator([path], backend, "cpu")


@pytest.mark.filterwarnings("ignore")
def test_a_model_of_the_other_kind_is_named(soap_bpnn: Committee, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.pt: not a MACE model"):
        evaluator([soap_bpnn.members[0].path], "mace", "cpu")
    path = tmp_path / "a.model"
    torch.save(torch.nn.Linear(1, 1), path)
    with pytest.raises(InputError, match=r"a\.model: not a MACE model, but a Linear"):
        evaluator([path], "mace", "cpu")
    with pytest.raises(InputError, match=r"a\.model: not an exported metatomic model"):
        evaluator([path], "metatrain", "cpu")


def test_an_unknown_backend_is_named() -> None:
    with pytest.raises(InputError, match=r"backend 'gap' is not known; there are mace, metatrain"):
        backend_of("gap")


def test_a_committee_that_lacks_a_member_is_named(soap_bpnn: Committee, tmp_path: Path) -> None:
    soap_bpnn.save(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    (tmp_path / "part" / "member_1.pt").unlink()
    with pytest.raises(InputError, match=r"part: not a complete committee: member_1\.pt is miss"):
        load_committee(tmp_path / "part")
    record = json.loads((tmp_path / "whole" / "committee.json").read_text())
    assert record["backend"] == "metatrain"


def test_there_is_no_member_of_that_number(soap_bpnn: Committee) -> None:
    with pytest.raises(InputError, match="member 2: this committee has members 0 to 1"):
        soap_bpnn.calculator(member=2)


def test_a_mistake_that_a_worker_finds_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "ATOMS_PER_PIECE", 2)
    pes = PESData.from_atoms([bulk("Si"), bulk("Si", a=5.5)])
    pieces = Pieces(Work("mace", ()), [pes], [everything(pes)])
    assert len(pieces) == 2

    def refuse(piece: Piece) -> None:
        raise InputError("the committee does not know Si")

    with pytest.raises(InputError, match=r"^the committee does not know Si$"):
        list(prediction.computed(refuse, pieces, LocalExecutor(workers=1), "evaluation"))


def test_pieces_hold_every_structure_once_and_none_that_is_not_wanted() -> None:
    sizes = np.random.default_rng(0).integers(1, 9, size=60)
    cells = [bulk("Cu", a=3 + i / 100).repeat((int(n), 1, 1)) for i, n in enumerate(sizes)]
    pes = PESData.from_atoms(cells)
    wanted = np.flatnonzero(sizes > 3)
    pieces = Pieces(Work("mace", ()), [pes[:5], pes], [np.array([2]), wanted])
    found = np.concatenate([piece.pes.id for piece in pieces])
    assert found.tolist() == [pes.id[2], *pes.id[wanted]]
