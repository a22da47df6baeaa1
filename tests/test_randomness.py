from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from potwright.randomness import derived_seed, generator

names = st.lists(st.text(max_size=8) | st.integers(), max_size=3)


@given(st.integers(0, 2**31 - 1), names)
def test_a_seed_is_what_all_libraries_take(seed: int, path: list) -> None:
    assert 0 <= derived_seed(seed, *path) < 2**31


@given(st.integers(0, 2**31 - 1), names)
def test_the_same_place_gets_the_same_numbers(seed: int, path: list) -> None:
    np.testing.assert_array_equal(
        generator(seed, *path).random(3), generator(seed, *path).random(3)
    )


def test_every_place_has_numbers_of_its_own() -> None:
    seeds = [
        derived_seed(seed, stage, index)
        for seed in range(10)
        for stage in ("rattle", "strain", "split")
        for index in range(100)
    ]
    assert len(set(seeds)) == len(seeds)


def test_names_are_not_run_together() -> None:
    assert (
        len({derived_seed(1, "ab", "c"), derived_seed(1, "a", "bc"), derived_seed(1, "abc")}) == 3
    )
    assert derived_seed(1, "a", 23) != derived_seed(1, "a", 2, 3)
    assert derived_seed(12, 3) != derived_seed(1, 23)


def test_places_with_neighbouring_indices_are_uncorrelated() -> None:
    numbers = np.array([generator(7, "rattle", i).normal(size=2000) for i in range(20)])
    correlation = np.corrcoef(numbers) - np.eye(20)
    assert np.abs(correlation).max() < 5 / np.sqrt(2000)


def test_another_process_gets_the_same_seed() -> None:
    """Python's own hash of strings differs from process to process."""
    program = "from potwright.randomness import derived_seed; print(derived_seed(7, 'md', 3))"
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert int(said.stdout) == derived_seed(7, "md", 3)
