"""Where models run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from potwright.errors import InputError


def resolve_device(device: str = "auto", index: int = 0) -> str:
    """``"auto"`` becomes the ``index``-th GPU, going round, where there are GPUs, else the CPU.

    Raises
    ------
    InputError
        If the device that is asked for is not there.
    """
    import torch

    if device == "auto":
        count = torch.cuda.device_count()
        return f"cuda:{index % count}" if count else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(
            f"device: {device!r} is asked for, but there is no GPU; use 'auto' or 'cpu'"
        )
    return device


def choose(device: str) -> str:
    """What a program is told that takes no number of a GPU: ``cuda``, which is now this one."""
    import torch

    kind, _, number = device.partition(":")
    if kind == "cuda" and number:
        torch.cuda.set_device(int(number))
    return kind


def compiled_as_it_is(device: str) -> AbstractContextManager[None]:
    """Run TorchScript as it was compiled, on a processor.

    There PyTorch's optimisation by what it sees in the first runs takes seconds, anew for other
    shapes, and later runs are no faster for it.
    """
    import torch

    return torch.jit.optimized_execution(False) if device.startswith("cpu") else nullcontext()
