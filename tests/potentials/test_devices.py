from __future__ import annotations

import pytest
import torch

from potwright.errors import InputError
from potwright.potentials.devices import resolve_device

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
with_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@without_gpu
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(InputError, match=r"no GPU; use 'auto' or 'cpu'"):
        resolve_device(device)


@without_gpu
@pytest.mark.parametrize("index", [0, 3])
def test_auto_is_the_processor_where_there_is_no_gpu(index: int) -> None:
    assert resolve_device("auto", index) == "cpu"


@with_gpu
def test_auto_goes_round_the_gpus() -> None:
    count = torch.cuda.device_count()
    assert [resolve_device("auto", i) for i in range(count + 1)] == [
        *(f"cuda:{i}" for i in range(count)),
        "cuda:0",
    ]


def test_a_device_that_is_there_is_taken() -> None:
    assert resolve_device("cpu", 5) == "cpu"
