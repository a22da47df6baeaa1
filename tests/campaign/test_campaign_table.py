"""The status says why labels failed."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
from rich.console import Console

from potwright.campaign.table import _failures


def shown(*reports) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(_failures(list(reports)))
    return capture.get()


def report(number, *rows):
    columns = ["status", "reason", "message"]
    return SimpleNamespace(number=number, labelling=pd.DataFrame(rows, columns=columns))


def test_failures_are_counted_by_iteration_and_reason():
    first = report(
        "1",
        ("computed", "", ""),
        ("failed", "not_converged", "[SCF] 80 steps\nand more"),
        ("failed before", "not_converged", "as above"),
        ("failed", "crash", "SIGSEGV"),
        ("screened", "atoms too close", ""),
    )
    lines = [line.split() for line in shown(first, report("2")).splitlines()]
    assert ["1", "not_converged", "2", "[SCF]", "80", "steps"] in lines
    assert ["1", "crash", "1", "SIGSEGV"] in lines
    assert not any("atoms" in line for line in lines)


def test_without_failures_there_is_nothing_to_show():
    fine = report("1", ("computed", "", ""))
    assert _failures([fine, report("2")]).row_count == 0
