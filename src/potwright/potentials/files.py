"""What kind of model a file holds, without importing a backend."""

from __future__ import annotations

import zipfile
from pathlib import Path

from potwright.errors import InputError

KINDS = {
    "mace": "a MACE model, as `mace_run_train` leaves it (`NAME.model`)",
    "mace, compiled": "a compiled MACE model, which can only be run",
    "metatomic": "an exported metatomic model (`model.pt`)",
    "metatrain checkpoint": "a checkpoint of metatrain (`model.ckpt`)",
    "unknown": "no model that is known here",
}


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
