"""Exported metatomic models, as ``mtt train`` leaves them: arXiv:2508.15704."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms

from potwright.errors import InputError
from potwright.potentials.batching import BatchValues
from potwright.potentials.devices import compiled_as_it_is

EXTENSIONS = "extensions"
"""Folder beside a model file with the compiled code that it needs, if it needs any."""
SKIN_ANGSTROM = 2.0
FEATURES = ("feature", "features")


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

            self._models = [load(path).to(device) for path in paths]
            known = [model.capabilities() for model in self._models]
            self._device = device
            self._dtype = getattr(torch, known[0].dtype)
            self._species = frozenset.intersection(
                *(frozenset(map(int, one.atomic_types)) for one in known)
            )
            self._energy = [_energy_output(path, c) for path, c in zip(paths, known, strict=True)]
            self._feature = next((n for n in FEATURES if n in known[0].outputs), None)
            requested: list[Any] = []
            for model in self._models:
                for options in model.requested_neighbor_lists():
                    if not any(options == other for other in requested):
                        requested.append(options)
            # a skin serves one structure that moves, and costs where each is another one
            self._neighbours, self._neighbours_of_one = (
                [vesin.metatomic.NeighborList(o, "angstrom", skin=skin) for o in requested]
                for skin in (0.0, SKIN_ANGSTROM)
            )
        for path, one in zip(paths, known, strict=True):
            if one.dtype != known[0].dtype:
                raise InputError(
                    f"{path} is a model in {one.dtype}, but {paths[0]} one in {known[0].dtype}: "
                    "members of a committee share it; train them with the same settings"
                )

    @property
    def members(self) -> int:
        """Number of models."""
        return len(self._models)

    @property
    def species(self) -> frozenset[int]:
        """Atomic numbers that all of them know."""
        return self._species

    def build(self, structures: Sequence[Atoms]) -> Batch:
        """Systems with their neighbour lists, strained by a strain that is zero."""
        import torch
        from metatomic.torch import System

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
        for neighbours in self._neighbours_of_one if len(systems) == 1 else self._neighbours:
            neighbours.add_neighbor_list(systems)
        return Batch(systems, positions, strain, torch.as_tensor(volume, **place))

    def evaluate(self, batch: Batch, member: int) -> BatchValues:
        """Energy, forces and stress by one model."""
        import torch

        name = self._energy[member]
        with quiet(), compiled_as_it_is(self._device):
            asked = _asking(name, unit="eV", sample_kind="system")
            out = self._models[member](batch.systems, asked, check_consistency=False)
        energy = out[name].block().values[:, 0]
        gradients: Sequence[Any] = (None, None)
        if energy.requires_grad:
            leaves = [batch.positions, batch.strain]
            # the graph from the leaves to the neighbours is common to all members
            with quiet():
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
        with quiet(), compiled_as_it_is(self._device), torch.no_grad():
            asked = _asking(self._feature, sample_kind="atom")
            out = self._models[0](batch.systems, asked, check_consistency=False)
        block = out[self._feature].block()
        sizes = np.array([len(system) for system in batch.systems])
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        system, atom = (
            _array(block.samples.column(name)).astype(int) for name in ("system", "atom")
        )
        features = np.empty((int(sizes.sum()), block.values.shape[1]))
        features[starts[system] + atom] = _array(block.values)
        return features


@contextmanager
def quiet() -> Iterator[None]:
    """Without what torch, metatensor and metatomic say of each other's older forms."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*`torch.jit.*deprecated.*")
        warnings.filterwarnings("ignore", message=".*_mts_buffer_names.*")
        warnings.filterwarnings("ignore", message=".*is deprecated, please use.*")
        # sphericart's derivatives are right (tests compare with finite differences)
        warnings.filterwarnings("ignore", message=".*autograd kernel was not registered.*")
        yield


def load(path: Path) -> Any:
    """The model in a file, with its extensions.

    Raises
    ------
    InputError
        If it is not an exported metatomic model.
    """
    from metatomic.torch import load_atomistic_model

    extensions = path.parent / EXTENSIONS
    try:
        return load_atomistic_model(path, extensions if extensions.is_dir() else None)
    except (RuntimeError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise InputError(
            f"{path}: not an exported metatomic model ({said}); `mtt train` leaves one as "
            "model.pt, `mtt export` makes one of a checkpoint"
        ) from error


def _energy_output(path: Path, capabilities: Any) -> str:
    from metatomic.torch import pick_output

    outputs = list(capabilities.outputs)
    if not any(name == "energy" or name.startswith("energy/") for name in outputs):
        raise InputError(f"{path}: this model gives no energy, only {', '.join(outputs)}")
    return pick_output("energy", capabilities.outputs, None)


def _asking(name: str, **output: Any) -> Any:
    from metatomic.torch import ModelEvaluationOptions, ModelOutput

    return ModelEvaluationOptions("angstrom", {name: ModelOutput(**output)}, None)


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)
