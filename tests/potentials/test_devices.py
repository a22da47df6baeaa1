from __future__ import annotations

import logging
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase import Atoms

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.potentials import Committee
from potwright.potentials.batching import BatchedEvaluator
from potwright.potentials.devices import choose, resolve_device
from potwright.potentials.mace import MACEModels

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@without_gpu
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(InputError, match=r"no GPU; use 'auto' or 'cpu'"):
        resolve_device(device)


@without_gpu
@pytest.mark.parametrize("index", [0, 3])
def test_auto_is_the_processor_where_there_is_no_gpu(index: int) -> None:
    assert resolve_device("auto", index) == "cpu"


def test_auto_goes_round_the_gpus(gpu: str) -> None:
    count = torch.cuda.device_count()
    assert [resolve_device("auto", i) for i in range(count + 1)] == [
        *(f"cuda:{i}" for i in range(count)),
        "cuda:0",
    ]


def test_a_device_that_is_there_is_taken() -> None:
    assert resolve_device("cpu", 5) == "cpu"


def test_a_program_that_takes_no_number_is_told_the_kind() -> None:
    assert choose("cpu") == "cpu"
    assert choose("cuda") == "cuda"


def test_the_gpu_that_is_chosen_is_the_one_that_cuda_means(gpu: str) -> None:
    last = torch.cuda.device_count() - 1
    assert choose(f"cuda:{last}") == "cuda"
    assert torch.cuda.current_device() == last
    assert choose(gpu) == "cuda"


ROUNDS_OF_MEMORY = """
import resource, sys
import numpy as np
from potwright.potentials.devices import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def round_of_memory():
    blocks = [np.ones(2_500_000) for _ in range(3)]  # 20 MB each
for _ in range(3):
    round_of_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    round_of_memory()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_taken_again_without_asking_the_system() -> None:
    faults = {
        how: int(subprocess.check_output([sys.executable, "-c", ROUNDS_OF_MEMORY, how], text=True))
        for how in ("keep", "as it is")
    }
    assert faults["keep"] < faults["as it is"] / 10, faults


@pytest.mark.parametrize("backend", ["committee", "soap_bpnn", "pet"])
def test_a_gpu_says_what_the_processor_says(
    gpu: str, backend: str, mixture: list[Atoms], request: pytest.FixtureRequest
) -> None:
    committee: Committee = request.getfixturevalue(backend)
    pes = PESData.from_atoms(mixture)
    here, there = (committee.predict(pes, device=device) for device in ("cpu", gpu))
    np.testing.assert_allclose(there.energy, here.energy, atol=1e-7)
    np.testing.assert_allclose(there.forces, here.forces, atol=1e-7)
    np.testing.assert_allclose(there.stress, here.stress, atol=1e-8)
    found = [committee.descriptors(pes, device=device) for device in ("cpu", gpu)]
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)


def test_what_does_not_fit_on_a_gpu_is_halved(
    gpu: str, committee: Committee, mixture: list[Atoms], caplog: pytest.LogCaptureFixture
) -> None:
    """With a share of the GPU's memory that suffices for a few of the structures at a time."""
    models = MACEModels([member.path for member in committee.members], gpu)
    structures = mixture * 40

    def values(atoms_per_batch: int) -> np.ndarray:
        return BatchedEvaluator(models, gpu, atoms_per_batch)(structures).forces

    few = 10 * max(map(len, mixture))
    expected = values(few)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(gpu)
    values(few)
    peak = torch.cuda.max_memory_reserved(gpu)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(gpu).total_memory
    torch.cuda.set_per_process_memory_fraction(1.2 * peak / total, gpu)
    try:
        with caplog.at_level(logging.WARNING):
            found = values(sum(map(len, structures)))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, gpu)
    assert "Memory does not suffice" in caplog.text
    np.testing.assert_allclose(found, expected, atol=1e-9)
