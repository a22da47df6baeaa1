"""Exported metatomic models, as ``mtt train`` leaves them: arXiv:2508.15704."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.potentials.batching import BatchedEvaluator, BatchValues
from potwright.potentials.devices import resolve_device

ATOMS_PER_BATCH = 1200
EXTENSIONS = "extensions"
"""Folder beside a model file with the compiled code that it needs, if it needs any."""


@dataclass(frozen=True)
class MetatomicPotential:
    """One exported model file, ``model.pt``, with ``extensions/`` beside it where it has any."""

    backend: ClassVar[str] = "metatrain"

    path: Path

    def calculator(self, device: str = "auto") -> Any:
        """An ASE calculator of this model alone."""
        from potwright.potentials.calculator import CommitteeCalculator

        return CommitteeCalculator(evaluator((self.path,), device))

    def evaluate(
        self, pes: PESData, device: str = "auto"
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Energy (S,), forces (N, 3) and stress (S, 6) of all structures."""
        energy, forces, stress = evaluator((self.path,), device)(pes.to_atoms(engine_pbc=True))
        return energy[0], forces[0], stress[0]


def evaluator(paths: Sequence[Path], device: str = "auto") -> BatchedEvaluator:
    """The evaluator of these models; loaded once per process and device."""
    stamps = tuple((str(path), path.stat().st_mtime_ns) for path in paths)
    return _loaded(stamps, resolve_device(device))


@lru_cache(maxsize=2)
def _loaded(stamps: tuple[tuple[str, int], ...], device: str) -> BatchedEvaluator:
    models = MetatomicModels([Path(path) for path, _ in stamps], device)
    return BatchedEvaluator(models, ATOMS_PER_BATCH)


class Batch(NamedTuple):
    """Structures as metatomic sees them, and what derivatives are taken by."""

    systems: list[Any]
    positions: Any  # (n, 3)
    strain: Any  # (s, 3, 3)
    volume: Any  # (s,); 1 for molecules, whose stress nobody reads


class MetatomicModels:
    """Models whose requested neighbour lists are each made once per structure."""

    def __init__(self, paths: Sequence[Path], device: str):
        with quiet():
            import torch
            import vesin.metatomic
            from metatomic.torch import ModelEvaluationOptions, ModelOutput, pick_output

            self._models = [_load(path).to(device) for path in paths]
            first = self._models[0].capabilities()
            self._device = device
            self._dtype = getattr(torch, first.dtype)
            self._species = [int(z) for z in first.atomic_types]
            self._energy = pick_output("energy", first.outputs, None)
            self._feature = next((k for k in ("feature", "features") if k in first.outputs), None)

            def asking(name: str, **output: Any) -> Any:
                return ModelEvaluationOptions("angstrom", {name: ModelOutput(**output)}, None)

            self._values = asking(self._energy, unit="eV", sample_kind="system")
            self._features = self._feature and asking(self._feature, sample_kind="atom")
            requested: list[Any] = []
            for model in self._models:
                for options in model.requested_neighbor_lists():
                    if not any(options == known for known in requested):
                        requested.append(options)
            self._neighbours = [vesin.metatomic.NeighborList(o, "angstrom") for o in requested]

    @property
    def members(self) -> int:
        """Number of models."""
        return len(self._models)

    def build(self, structures: Sequence[Atoms]) -> Batch:
        """Systems with their neighbour lists, strained by a strain that is zero."""
        import torch
        from metatomic.torch import System

        self._refuse_unknown(structures)
        place = {"device": self._device, "dtype": self._dtype}
        sizes = [len(atoms) for atoms in structures]
        positions = torch.as_tensor(np.concatenate([a.positions for a in structures]), **place)
        # the cell of what is not periodic must be zero
        lattices = np.stack([a.cell.array * a.pbc[:, None] for a in structures])
        volume = [a.cell.volume if a.pbc.all() else 1.0 for a in structures]
        cells = torch.as_tensor(lattices, **place)
        positions.requires_grad_(True)
        strain = torch.zeros((len(sizes), 3, 3), **place, requires_grad=True)
        deformation = torch.eye(3, **place) + (strain + strain.transpose(1, 2)) / 2
        of_atom = torch.repeat_interleave(torch.tensor(sizes, device=self._device))
        strained = torch.bmm(positions[:, None, :], deformation[of_atom])[:, 0]
        systems = [
            System(
                types=torch.as_tensor(atoms.numbers, dtype=torch.int32, device=self._device),
                positions=part,
                cell=cell,
                pbc=torch.as_tensor(np.array(atoms.pbc), device=self._device),
            )
            for atoms, part, cell in zip(
                structures, torch.split(strained, sizes), torch.bmm(cells, deformation), strict=True
            )
        ]
        for neighbours in self._neighbours:
            neighbours.add_neighbor_list(systems)
        return Batch(systems, positions, strain, torch.as_tensor(volume, **place))

    def evaluate(self, batch: Batch, member: int) -> BatchValues:
        """Energy, forces and stress by one model."""
        import torch

        with quiet():
            out = self._models[member](batch.systems, self._values, check_consistency=False)
        energy = out[self._energy].block().values[:, 0]
        gradients: Sequence[Any] = (None, None)
        if energy.requires_grad:
            leaves = [batch.positions, batch.strain]
            # the graph from the leaves to the neighbours is common to all members
            gradients = torch.autograd.grad(
                energy.sum(), leaves, retain_graph=True, allow_unused=True
            )
        by_position, by_strain = (
            torch.zeros_like(leaf) if gradient is None else gradient
            for leaf, gradient in zip((batch.positions, batch.strain), gradients, strict=True)
        )
        stress = by_strain / batch.volume[:, None, None]
        return BatchValues(_array(energy), _array(-by_position), _array(stress))

    def describe(self, batch: Batch) -> np.ndarray:
        """The features that the first model offers, shape (n, F).

        Raises
        ------
        InputError
            If it offers none.
        """
        import torch

        if self._feature is None:
            raise InputError(
                "this model has no output 'feature', hence no descriptors; use a rule or method "
                "that needs none"
            )
        with quiet(), torch.no_grad():
            out = self._models[0](batch.systems, self._features, check_consistency=False)
        block = out[self._feature].block()
        sizes = np.array([len(system) for system in batch.systems])
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        system, atom = (
            _array(block.samples.column(name)).astype(int) for name in ("system", "atom")
        )
        features = np.empty((int(sizes.sum()), block.values.shape[1]))
        features[starts[system] + atom] = _array(block.values)
        return features

    def _refuse_unknown(self, structures: Sequence[Atoms]) -> None:
        present = {int(z) for atoms in structures for z in np.unique(atoms.numbers)}
        unknown = sorted(present - set(self._species))
        if unknown:
            raise InputError(
                f"the committee does not know {', '.join(chemical_symbols[z] for z in unknown)}; "
                f"it was trained on {', '.join(chemical_symbols[z] for z in self._species)}"
            )


@contextmanager
def quiet() -> Iterator[None]:
    """Without what torch, metatensor and metatomic say of each other's older forms."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*`torch.jit.*deprecated.*")
        warnings.filterwarnings("ignore", message=".*_mts_buffer_names.*")
        warnings.filterwarnings("ignore", message=".*is deprecated, please use.*")
        yield


def _load(path: Path) -> Any:
    from metatomic.torch import load_atomistic_model

    extensions = path.parent / EXTENSIONS
    return load_atomistic_model(path, extensions if extensions.is_dir() else None)


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)
