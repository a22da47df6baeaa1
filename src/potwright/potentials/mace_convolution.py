"""MACE's convolution on graphs in which every atom has the same number of edges.

A message is a sum over an atom's edges, mᵢ(c, lm) = Σⱼ w(rᵢⱼ; c, l) hⱼ(c) Yₗₘ(rᵢⱼ): a product of
two small matrices. MACE writes the terms of all edges to memory, and then adds them up; on a
processor that is more than half of its time (benchmarks/committee.py). MACE leaves a place for
convolutions that do both at once. cuEquivariance fills it on GPUs; here it is filled on processors.

Nothing but the order of summation changes. A graph without the same number of edges for every atom
goes the way that MACE goes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def sum_in_convolutions(model: Any) -> None:
    """Let a model's interactions multiply and sum at once, where they are of the usual kind."""
    from e3nn import o3

    for interaction in model.interactions:
        product = interaction.conv_tp
        usual = isinstance(product, o3.TensorProduct) and all(
            instruction.connection_mode == "uvu" and instruction.has_weight
            for instruction in product.instructions
        )
        if usual and all(mul == 1 for mul, _ in product.irreps_in2):
            interaction.conv_tp = Convolution(product)
            interaction.conv_fusion = True  # MACE then hands it the edges


class Convolution(torch.nn.Module):
    """The tensor product of a MACE interaction, summed over the edges of each atom.

    Parameters
    ----------
    product
        e3nn's tensor product of features (mul × l₁) and spherical harmonics (l₂), weighted by edge.
    """

    def __init__(self, product: Any):
        super().__init__()
        from e3nn import o3

        self.product = product
        self._features = [part.stop - part.start for part in product.irreps_in1.slices()]
        self._harmonics = [part.stop - part.start for part in product.irreps_in2.slices()]
        self._paths = sorted(
            (instruction.i_out, place, instruction.i_in1, instruction.i_in2)
            for place, instruction in enumerate(product.instructions)
        )
        self._weights = [product.irreps_in1[i.i_in1].mul for i in product.instructions]
        for place, instruction in enumerate(product.instructions):
            degrees = [
                irreps[i].ir.l
                for irreps, i in (
                    (product.irreps_in1, instruction.i_in1),
                    (product.irreps_in2, instruction.i_in2),
                    (product.irreps_out, instruction.i_out),
                )
            ]
            coupling = o3.wigner_3j(*degrees, dtype=torch.float64).flatten(0, 1)
            coupling = coupling * instruction.path_weight
            self.register_buffer(f"coupling_{place}", coupling, persistent=False)

    def forward(
        self, node_feats: Tensor, edge_attrs: Tensor, tp_weights: Tensor, edge_index: Tensor
    ) -> Tensor:
        """Messages, shape (n, irreps_out)."""
        atoms, edges = len(node_feats), edge_index.shape[1]
        sent = node_feats.index_select(0, edge_index[0])
        if not is_regular(edge_index, atoms):
            terms = self.product(sent, edge_attrs, tp_weights)
            empty = terms.new_zeros(atoms, terms.shape[1])
            return empty.index_add(0, edge_index[1], terms)
        each = edges // atoms
        harmonics = edge_attrs.view(atoms, each, -1)
        if len(self._features) == 1:
            return self._of_scalars(sent, harmonics, tp_weights, atoms, each)
        return self._of_any(sent, harmonics, tp_weights, atoms, each)

    def _of_scalars(
        self, sent: Tensor, harmonics: Tensor, weights: Tensor, atoms: int, each: int
    ) -> Tensor:
        """All paths in one product, whose blocks of other degrees are not used."""
        count, mul = len(self._paths), self._features[0]
        if self.product.irreps_in1[0].ir.l:
            return self._of_any(sent, harmonics, weights, atoms, each)
        weighted = weights.view(-1, count, mul) * sent[:, None, :]
        found = torch.bmm(weighted.view(atoms, each, count * mul).transpose(1, 2), harmonics)
        blocks = torch.split(found.view(atoms, count, mul, -1), self._harmonics, dim=3)
        return torch.cat(
            [
                self._coupled(blocks[harmonic][:, place], place)
                for _, place, _, harmonic in self._paths
            ],
            dim=1,
        )

    def _of_any(
        self, sent: Tensor, harmonics: Tensor, weights: Tensor, atoms: int, each: int
    ) -> Tensor:
        features = torch.split(sent, self._features, dim=1)
        by_degree = torch.split(harmonics, self._harmonics, dim=2)
        by_path = torch.split(weights, self._weights, dim=1)
        parts = []
        for _, place, feature, harmonic in self._paths:
            mul = self._weights[place]
            weighted = by_path[place][:, :, None] * features[feature].view(atoms * each, mul, -1)
            found = torch.bmm(
                weighted.view(atoms, each, -1).transpose(1, 2), by_degree[harmonic].contiguous()
            )
            parts.append(self._coupled(found.view(atoms, mul, -1), place))
        return torch.cat(parts, dim=1)

    def _coupled(self, found: Tensor, place: int) -> Tensor:
        """From products (n, mul, d₁·d₂) to what they couple to, shape (n, mul·d₃)."""
        coupling = getattr(self, f"coupling_{place}").to(found.dtype)
        return (found @ coupling).flatten(1)


def is_regular(edge_index: Tensor, atoms: int) -> bool:
    """Whether edges are in order of the atoms that they lead to, and equally many for each."""
    edges = edge_index.shape[1]
    if not edges or edges % atoms:
        return False
    expected = torch.arange(atoms, device=edge_index.device).repeat_interleave(edges // atoms)
    return bool(torch.equal(edge_index[1], expected))
