"""An engine whose every call leaves a trace."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from potwright.execution import SerialExecutor
from potwright.pipelines.labelling.parameters import LabellingParameters

SOURCE = textwrap.dedent(
    '''
    """EMT that writes down each calculation, is as slow as told, and fails for gold."""

    import time
    from pathlib import Path

    from ase.calculators.emt import EMT


    class CountedEMT(EMT):
        def __init__(self, folder, pause=0.0):
            super().__init__()
            self.folder, self.pause = Path(folder), pause

        def calculate(self, atoms=None, properties=("energy",), system_changes=("positions",)):
            if "Au" in atoms.symbols:
                raise RuntimeError("gold is too dear")
            time.sleep(self.pause)
            super().calculate(atoms, properties, system_changes)
            with (self.folder / "calls").open("a") as log:
                log.write(f"{atoms.positions.tobytes().hex()[-64:]}\\n")
    '''
)


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """A function that gives parameters of the counted engine, and one that counts its calls."""
    (tmp_path / "counted_calculator.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)

    def parameters(pause: float = 0.0, **fields) -> LabellingParameters:
        engine = {
            "type": "ase",
            "calculator": "counted_calculator.CountedEMT",
            "arguments": {"folder": str(tmp_path), "pause": pause},
        }
        return LabellingParameters(**{"engine": engine, "executor": SerialExecutor(), **fields})

    def calls() -> list[str]:
        log: Path = tmp_path / "calls"
        return log.read_text().splitlines() if log.exists() else []

    return parameters, calls
