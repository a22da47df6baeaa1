"""Does a fine-tuned committee still disagree where it is wrong?

A foundation model (Stillinger–Weber silicon) is fine-tuned to PBE labels by committees with and
without a bootstrap over groups and with and without re-initialised readouts, all for the same
number of optimiser steps. D/ε near 0 is a collapse: members that are wrong together and agree. A
committee from scratch stands beside them.

Run: python benchmarks/collapse.py --pool FOLDER [--labels 40] [--steps 200] [--scratch FOLDER]

FOLDER holds si_training.extxyz of the mlearn benchmark. Members that are trained are kept in
--scratch, so that a run which was interrupted goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from silicon import bought, command_line, errors, parameters, prepared, silicon

from potwright.pipelines.training.members import train_members


def starts(model: Path) -> dict[str, dict[str, Any]]:
    """The arms, by name."""
    fine_tuned = {
        (bootstrap, readouts): {
            "type": "foundation",
            "model": str(model),
            "bootstrap": bootstrap,
            "reinitialise_readouts": readouts,
        }
        for bootstrap in (False, True)
        for readouts in (False, True)
    }
    names = {
        (False, False): "fine-tuned, neither",
        (True, False): "fine-tuned, bootstrap",
        (False, True): "fine-tuned, own readouts",
        (True, True): "fine-tuned, both (default)",
    }
    return {names[arm]: start for arm, start in fine_tuned.items()} | {
        "from scratch": {"type": "scratch"}
    }


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--labels", type=int, default=40)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--steps", type=int, default=200)
    given = parser.parse_args()
    with prepared(given) as (scratch, model):
        data = silicon(given.pool, seed=0)
        rows = []
        for name, start in starts(model).items():
            lr = 0.02 if start["type"] == "scratch" else 0.005
            chosen = parameters(members=given.members, steps=given.steps, lr=lr, start=start)
            labelled = bought(data.pool, given.labels)
            committee = train_members(labelled, scratch / "members", chosen, 5, 1)
            rows.append({"committee": name, **errors(committee, data.test)})
            told = ", ".join(
                f"{key} {value:.2f}" for key, value in rows[-1].items() if "D/ε" in key
            )
            print(f"{name}: {told}", flush=True)
        table = pd.DataFrame(rows)
        shown = [c for c in table.columns if c[:2] in ("co", "D/") or c.startswith("b ")]
        print(table[shown].round(2).to_string(index=False))


if __name__ == "__main__":
    main()
