"""Imports once what commands need, then forks a process for each command that it is given.

Each line of standard input is a command in JSON: its arguments, the project's folder, environment
variables, and the file for its output. The answer is its exit status, −9 if it was killed.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import Any


def import_what_commands_need() -> None:
    import ase.md.nose_hoover_chain  # noqa: F401
    import kedro.framework.cli  # noqa: F401
    import pandas  # noqa: F401
    import plotly.graph_objects  # noqa: F401
    import sklearn  # noqa: F401

    from potwright.pipeline_registry import register_pipelines
    from potwright.potentials.mace import quiet_import

    register_pipelines()
    with quiet_import():
        import torch  # noqa: F401


def fork_iteration(campaign: Any, version: str, number: int, target: int) -> int:
    """What ``Campaign`` starts a new interpreter for; the exit status."""
    arguments = ["campaign", "iterate", version, "--number", str(number), "--target", str(target)]
    child = os.fork()
    if not child:
        be_kedro([*arguments, "--env", campaign.env])
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def be_kedro(arguments: list[str]) -> None:
    from kedro.framework.cli import main

    sys.argv = ["kedro", *arguments]
    main()
    sys.exit(0)


def carry_out(arguments: list[str], folder: str, environment: dict[str, str], output: str) -> None:
    """Be the command, as the head of a process group of its own."""
    from potwright.campaign import Campaign

    Campaign._run_process = fork_iteration
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for here, there in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(here, there)
    be_kedro(arguments)


if __name__ == "__main__":
    import_what_commands_need()
    gc.collect()
    gc.freeze()  # a collection in a fork would touch, and so copy, all of the memory
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            carry_out(**order)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
