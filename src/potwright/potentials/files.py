"""Model files that people have: what kind they are, without importing a backend, and opening them.

>>> open_potentials("models/*.model")  # doctest: +SKIP
"""

from __future__ import annotations

import glob
import zipfile
from pathlib import Path

from potwright.errors import InputError
from potwright.potentials.committee import RECORD, Committee, load_committee
from potwright.potentials.model_file import ModelFile

KINDS = {
    "mace": "a MACE model, as `mace_run_train` leaves it (`NAME.model`)",
    "mace, compiled": "a compiled MACE model, which can only be run",
    "metatomic": "an exported metatomic model (`model.pt`)",
    "metatrain checkpoint": "a checkpoint of metatrain (`model.ckpt`)",
    "unknown": "no model that is known here",
}
BACKEND_OF_KIND = {"mace": "mace", "metatomic": "metatrain"}


def kind_of_model(path: Path) -> str:
    """One of ``KINDS``, from what a file holds."""
    if not zipfile.is_zipfile(path):
        return "unknown"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickled = next((name for name in names if name.endswith("/data.pkl")), None)
        content = archive.read(pickled) if pickled else b""
    if any("/code/" in name for name in names):
        exported = any("/code/" in name and "metatomic" in name for name in names)
        return "metatomic" if exported else "mace, compiled"
    if b"architecture_name" in content:
        return "metatrain checkpoint"
    return "mace" if b"mace.modules" in content else "unknown"


def refuse_other_kind(path: Path, kind: str, where: str) -> None:
    """Refuse a file of another kind.

    Parameters
    ----------
    where
        What names the file, for the message.

    Raises
    ------
    InputError
        Saying what it is, and what is needed.
    """
    found = kind_of_model(path)
    if found != kind:
        raise InputError(f"{where}: {path} is {KINDS[found]}; needed is {KINDS[kind]}")


def open_potentials(place: str | Path) -> Committee:
    """A committee's folder, or the model files that a folder holds or a pattern names.

    Raises
    ------
    InputError
        If there are none, one is of a kind that cannot be used, or they are of two kinds.
    """
    folder = Path(place)
    if (folder / RECORD).is_file():
        return load_committee(folder)
    pattern = str(folder / "*") if folder.is_dir() else str(place)
    files = [path for path in map(Path, sorted(glob.glob(pattern))) if path.is_file()]
    models = {path: kind_of_model(path) for path in files}
    if folder.is_dir():  # where other things may lie, too
        models = {path: kind for path, kind in models.items() if kind in BACKEND_OF_KIND}
    if not models:
        raise InputError(
            f"{place}: no potentials there; name the folder of a committee, or model files "
            "(`models/*.model`)"
        )
    for path, kind in models.items():
        if kind not in BACKEND_OF_KIND:
            usable = "; or ".join(KINDS[one] for one in BACKEND_OF_KIND)
            raise InputError(f"{path} is {KINDS[kind]}; needed is {usable}")
    kinds = sorted(set(models.values()))
    if len(kinds) > 1:
        raise InputError(f"{place}: potentials of two kinds ({', '.join(kinds)}); name one kind")
    backend = BACKEND_OF_KIND[kinds[0]]
    return Committee(tuple(ModelFile(path, backend) for path in models), {"backend": backend})
