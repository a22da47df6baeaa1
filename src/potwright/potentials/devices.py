"""Where models run."""

from __future__ import annotations

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
