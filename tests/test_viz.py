"""Kedro-Viz shows the project: a layer for every dataset, a table for structures."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[1]
SECONDS_TO_START = 90


def get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/{path}", timeout=30) as answer:
        return json.load(answer)


def free_port() -> int:
    for number in range(4200, 4900):  # Kedro-Viz refuses the ports that the system hands out
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", number)):
                return number
    raise RuntimeError("no free port")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    number = free_port()
    command = [sys.executable, "-m", "kedro", "viz", "run", "--no-browser", "--env", "demo"]
    server = subprocess.Popen(
        [*command, "--port", str(number)],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < end:
            try:
                get(number, "main")
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.5)
        yield number
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.mark.slow
def test_every_dataset_has_a_layer_and_layers_are_shown(port):
    graph = get(port, "main")
    data = [node for node in graph["nodes"] if node["type"] == "data"]
    assert [node["name"] for node in data if not node["layer"]] == []
    assert graph["layers"][-1] == "reporting"
    assert {"raw", "intermediate", "primary", "models", "model_output"} <= set(graph["layers"])


@pytest.mark.slow
def test_structures_are_previewed_as_a_table(port):
    graph = get(port, "main")
    (node,) = [n["id"] for n in graph["nodes"] if n["name"] == "initial_structures"]
    preview = get(port, f"nodes/{node}")["preview"]
    assert {"formula", "pbc", "origin", "source"} <= set(preview["columns"])
    assert len(preview["data"]) == 4
