"""How many labels does fine-tuning save?

A foundation model (Stillinger–Weber silicon, structures outside the pool) is fine-tuned to n PBE
labels, and committees are trained from scratch on as many, for the same number of optimiser steps.
Force errors are those of members on vacancies, a kind of structure that is not in the pool. The
number that counts: with how many labels fine-tuning reaches scratch's error on the whole pool.

Run: python benchmarks/fine_tuning.py --pool FOLDER [--sizes 5 10 20 40 80 157] [--scratch FOLDER]

FOLDER holds si_training.extxyz of the mlearn benchmark. Members that are trained are kept in
--scratch, so that a run which was interrupted goes on.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from silicon import bought, command_line, errors, parameters, prepared, silicon

from potwright.pipelines.training.members import train_members

LEARNING_RATES = {"scratch": 0.02, "fine-tuned": 0.005}


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[5, 10, 20, 40, 80, 157])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    given = parser.parse_args()
    with prepared(given) as (scratch, model):
        starts: dict[str, dict[str, Any]] = {
            "scratch": {"type": "scratch"},
            "fine-tuned": {"type": "foundation", "model": str(model)},
        }
        rows = []
        for seed in given.seeds:
            data = silicon(given.pool, seed)
            for size in given.sizes:
                for name, start in starts.items():
                    chosen = parameters(
                        members=given.members,
                        steps=given.steps,
                        lr=LEARNING_RATES[name],
                        start=start,
                    )
                    labelled = bought(data.pool, size)
                    committee = train_members(labelled, scratch / "members", chosen, seed, 1)
                    found = errors(committee, data.test)
                    rows.append({"seed": seed, "labels": size, "start": name, **found})
                    print(f"{name}, {size} labels: {found['ε forces']:.0f} meV/Å", flush=True)
    report(pd.DataFrame(rows))


def report(table: pd.DataFrame) -> None:
    """The curves, and the number of labels at which fine-tuning reaches scratch's error."""
    for name in ("ε forces", "b forces", "b energy"):
        print(f"\n{name}, mean over seeds")
        curves = table.pivot_table(index="labels", columns="start", values=name)
        print(curves.round(1).to_string())
    for seed, rows in table.groupby("seed"):
        curves = rows.pivot_table(index="labels", columns="start", values="b forces")
        goal = curves["scratch"].iloc[-1]
        reached = curves.index[curves["fine-tuned"] <= goal]
        told = f"{reached[0]} labels" if len(reached) else "no number of labels"
        print(
            f"seed {seed}: fine-tuning reaches scratch's {goal:.0f} meV/Å at {curves.index[-1]} "
            f"labels with {told}"
        )


if __name__ == "__main__":
    main()
