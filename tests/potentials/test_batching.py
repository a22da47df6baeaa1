"""Which structures go together, and what happens when memory does not suffice."""

from __future__ import annotations

import logging
import weakref
from itertools import pairwise

import numpy as np
import pytest
import torch
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

from potwright.errors import InputError
from potwright.potentials.batching import BatchedEvaluator, BatchValues, batches


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 400))
def test_batches_keep_to_the_budget_and_hold_each_structure_once(
    sizes: list[int], budget: int
) -> None:
    found = batches(np.array(sizes, dtype=np.int64), budget)
    assert sorted(i for batch in found for i in batch.tolist()) == list(range(len(sizes)))
    for batch in found:
        assert len(batch) == 1 or sum(sizes[i] for i in batch) <= budget


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.integers(1, 400))
def test_similar_sizes_go_together(sizes: list[int], budget: int) -> None:
    found = [[sizes[i] for i in batch] for batch in batches(np.array(sizes), budget)]
    for one, next_ in pairwise(found):
        assert max(one) <= min(next_)
        assert sum(one) + next_[0] > budget  # no batch is smaller than it must be


class SmallMemory:
    """Two models whose device holds ``limit`` atoms. Stands for a GPU, which tests may not have."""

    members = 2
    species = frozenset({29})

    def __init__(self, limit: int, error: type[Exception], message: str):
        self.limit, self.error, self.message = limit, error, message
        self.tried: list[int] = []
        self.held: list[weakref.ref] = []

    def build(self, structures: list[Atoms]) -> np.ndarray:
        self.tried.append(sum(map(len, structures)))
        assert not [ref for ref in self.held if ref() is not None], "a failed batch is still held"
        built = np.array([len(atoms) for atoms in structures])
        self.held.append(weakref.ref(built))
        return built

    def evaluate(self, batch: np.ndarray, member: int) -> BatchValues:
        if batch.sum() > self.limit and member == 1:  # the first still fits
            raise self.error(self.message)
        energy = batch * (member + 1.0)
        return BatchValues(
            energy, np.repeat(energy, batch)[:, None] * np.ones(3), np.zeros((len(batch), 3, 3))
        )

    def describe(self, batch: np.ndarray) -> np.ndarray:
        return self.evaluate(batch, 1).forces


OUT_OF_MEMORY = [
    (torch.cuda.OutOfMemoryError, "CUDA out of memory. Tried to allocate 2 GiB"),
    (
        RuntimeError,
        "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory",
    ),
    (RuntimeError, "The following operation failed in the TorchScript\nCUDA out of memory."),
    (MemoryError, ""),
]


def copper(*sizes: int) -> list[Atoms]:
    return [Atoms(f"Cu{size}", positions=np.zeros((size, 3))) for size in sizes]


@pytest.mark.parametrize(("error", "message"), OUT_OF_MEMORY)
def test_a_batch_that_does_not_fit_is_halved_until_it_does(
    error: type[Exception], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    models = SmallMemory(30, error, message)
    evaluate = BatchedEvaluator(models, "cpu", atoms_per_batch=100)
    sizes = [9, 10, 8, 10, 9, 10, 20, 8, 10, 6]
    with caplog.at_level(logging.WARNING):
        values = evaluate(copper(*sizes))
    np.testing.assert_array_equal(values.energy, [sizes, [2 * size for size in sizes]])
    np.testing.assert_array_equal(values.forces[1, :, 2], 2 * np.repeat(sizes, sizes))
    assert max(models.tried[2:]) < 50 and "Memory does not suffice" in caplog.text
    before = len(models.tried)
    evaluate(copper(*sizes))  # it has learnt what fits
    assert max(models.tried[before:]) <= 30
    assert evaluate.descriptors(copper(*sizes)).shape == (100, 3)


def test_a_structure_that_does_not_fit_alone_is_named_by_its_size() -> None:
    evaluate = BatchedEvaluator(SmallMemory(30, MemoryError, ""), "cpu", atoms_per_batch=100)
    with pytest.raises(InputError, match=r"a structure of 40 atoms alone"):
        evaluate(copper(10, 40, 10))


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    models = SmallMemory(1, RuntimeError, "mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        BatchedEvaluator(models, "cpu")(copper(10, 10))
    assert models.tried == [20]


def test_a_gpu_gets_larger_batches_than_a_processor() -> None:
    models = SmallMemory(30, MemoryError, "")
    on_gpu, on_cpu = (BatchedEvaluator(models, d).atoms_per_batch for d in ("cuda:1", "cpu"))
    assert on_gpu > on_cpu
