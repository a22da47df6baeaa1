"""MACE members for people who have MACE or LAMMPS and not Potwright."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from potwright.potentials.mace import load, quiet_import

SUFFIX = "-lammps.pt"


def for_lammps(member: Path, folder: Path) -> Path:
    """Convert a member as ``mace_create_lammps_model`` does, for ``pair_style mace``.

    (The conversion for ML-IAP belongs on the GPU that will run it, says MACE's documentation.)
    """
    with quiet_import():
        from mace.calculators import LAMMPS_MACE

        from e3nn.util import jit  # isort: skip - mace makes it importable with today's torch

    model = load(member)
    heads = list(getattr(model, "heads", None) or [])
    default = [head for head in heads if head.lower() == "default"]
    target = folder / f"{member.name}{SUFFIX}"
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")  # TorchScript's own, of MACE's code
        chosen = {"head": (default or heads)[-1]} if heads else {}
        jit.compile(LAMMPS_MACE(model, **chosen)).save(str(target))
    return target


def ase_text(members: Sequence[str]) -> str:
    """How to use the members in ASE with MACE alone."""
    return f"""from mace.calculators import MACECalculator

atoms.calc = MACECalculator(model_paths={list(members)!r}, device="cpu", default_dtype="")"""


def lammps_text(members: Sequence[str], symbols: Sequence[str]) -> str:
    """How to use one of them in LAMMPS."""
    elements = " ".join(symbols)
    return f"""With LAMMPS that has MACE's pair style, elements in the order of LAMMPS's atom types:

```text
units metal
atom_style atomic
atom_modify map yes
newton on
pair_style mace no_domain_decomposition
pair_coeff * * lammps/{members[0]}{SUFFIX} {elements}
```

For ML-IAP (faster on GPUs) convert a member on the machine that will run it, with cuEquivariance:
`mace_create_lammps_model {members[0]} --format=mliap`; then

```text
pair_style mliap unified {members[0]}-mliap_lammps.pt 0
pair_coeff * * {elements}
```"""
