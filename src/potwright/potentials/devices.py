"""Where models run."""

from __future__ import annotations

import ctypes
import sys
from contextlib import AbstractContextManager, nullcontext

from potwright.errors import InputError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT_BYTES = 2**29
LARGEST_KEPT_BYTES = 2**25  # the largest that glibc takes


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


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next evaluation (glibc; nothing elsewhere).

    Else it returns tens of megabytes to the system after an evaluation, and asks for them again
    in the next, if something else, LAMMPS for example, has the end of the heap in between.
    """
    if sys.platform != "linux":
        return
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if adjust is not None:
        adjust(M_TRIM_THRESHOLD, KEPT_BYTES)
        adjust(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
