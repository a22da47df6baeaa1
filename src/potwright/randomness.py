"""Everything random derives from one seed.

>>> generator(7, "rattle").random() == generator(7, "rattle").random()
True
"""

from __future__ import annotations

import hashlib

import numpy as np


def derived_seed(seed: int, *names: str | int) -> int:
    """A seed in [0, 2³¹) that depends on ``seed`` and every name, and on nothing else."""
    text = "\x1f".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") % 2**31


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """The generator of the place that ``names`` describe: stage, purpose, iteration, index."""
    return np.random.default_rng(derived_seed(seed, *names))
