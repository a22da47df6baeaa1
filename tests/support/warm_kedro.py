"""Imports once what commands need, then forks a process for each command that it is given.

It listens at the socket that it is given, until nobody is connected any more. Each line there is an
order in JSON. ``start`` has a command's arguments, or the code of a program, with the project's
folder, environment variables, and the file for the output; the answer is the number of its process.
``poll`` has such a number; the answer is the exit status, −9 if it was killed, or null while it
runs.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import selectors
import socket
import sys
import traceback
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from omegaconf._utils import get_yaml_loader

NEEDED = (
    *("ase.db.sqlite", "ase.md.nose_hoover_chain", "pandas", "plotly.graph_objects", "sklearn"),
    *("fsspec.implementations.local", "kedro.framework.cli", "kedro.framework.context"),
    *("kedro.framework.session", "kedro_telemetry.plugin", "kedro_viz.launchers.cli.main"),
    *("kedro_viz.integrations.kedro.run_hooks", "potwright.campaign.report"),
    *("potwright.campaign.table", "potwright.cli", "potwright.cli.campaign"),
    *("potwright.cli.labels", "potwright.cli.structures", "potwright.datasets", "potwright.hooks"),
)
CONFIGURATION = Path(__file__).parents[2] / "conf" / "base"


def import_what_commands_need() -> None:
    from potwright.pipeline_registry import register_pipelines
    from potwright.pipelines.training.mace.settings import maces_parser
    from potwright.potentials.mace import quiet_import

    for name in NEEDED:
        import_module(name)
    register_pipelines()
    maces_parser()
    with quiet_import():
        import_module("mace.cli.run_train")  # and torch


def remember_yaml() -> None:
    """Parse the shipped configuration once: it is most of what a command does before it begins."""
    parse = yaml.load
    known: dict[str, bytes] = {}

    def load(stream: Any, Loader: Any) -> Any:
        text = stream if isinstance(stream, str) else stream.read()
        if text not in known:
            return parse(text, Loader)
        return pickle.loads(known[text])

    for path in CONFIGURATION.glob("*.yml"):
        text = path.read_text()
        known[text] = pickle.dumps(parse(text, get_yaml_loader()))
    yaml.load = load


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


def be_program(code: str) -> None:
    sys.path.insert(0, "")
    with warnings.catch_warnings():
        warnings.simplefilter("error", SyntaxWarning)
        program = compile(code, "<program>", "exec")
    try:
        exec(program, {"__name__": "__main__"})
        sys.exit(0)
    except Exception:  # noqa: BLE001 - as an interpreter ends
        traceback.print_exc()
        sys.exit(1)


def carry_out(
    folder: str,
    environment: dict[str, str],
    output: str,
    arguments: list[str] | None = None,
    code: str = "",
) -> None:
    """Be the command or the program, as the head of a process group of its own."""
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
    if arguments is None:
        be_program(code)
    else:
        be_kedro(arguments)


class Server:
    """Answers whoever is connected."""

    def __init__(self, place: str, set_by_imports: dict[str, str]):
        self.set_by_imports = set_by_imports
        self.selector = selectors.DefaultSelector()
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(place)
        self.door.listen()
        self.selector.register(self.door, selectors.EVENT_READ)

    def serve(self) -> None:
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.door:
                    connection, _ = self.door.accept()
                    lines = connection.makefile("rw")
                    self.selector.register(connection, selectors.EVENT_READ, lines)
                elif line := key.data.readline():
                    print(json.dumps(self.answer(json.loads(line))), file=key.data, flush=True)
                else:
                    self.selector.unregister(key.fileobj)
                    if len(self.selector.get_map()) == 1:
                        return

    def answer(self, order: dict[str, Any]) -> int | None:
        if "poll" in order:
            ended, status = os.waitpid(order["poll"], os.WNOHANG)
            return os.waitstatus_to_exitcode(status) if ended else None
        child = os.fork()
        if not child:
            self.selector.close()
            self.door.close()
            order["start"]["environment"] |= self.set_by_imports
            carry_out(**order["start"])
        return child


if __name__ == "__main__":
    at_first = dict(os.environ)
    import_what_commands_need()
    set_by_imports = {k: v for k, v in os.environ.items() if at_first.get(k) != v}
    remember_yaml()
    gc.collect()
    gc.set_threshold(100_000, 50, 100)
    gc.freeze()  # a collection in a fork would touch, and so copy, all of the memory
    Server(sys.argv[1], set_by_imports).serve()
    for path in (sys.argv[1], f"{sys.argv[1]}.lock"):
        Path(path).unlink()
