"""Graph convolutions that learn to order architectures by pairs.

Dudziak, Chau, Abdelfattah, Lee, Kim & Lane (2020), "BRP-NAS: prediction-based NAS using GCNs";
Kipf & Welling (2017) for the layer; Burges et al. (2005), "RankNet", for the loss; Wei, Niu, Tang
& Liang (2020), "NPENAS", which filters mutants with such a predictor.

Implemented: layers  relu(A H W + H U + R H V + b)  over what a node reads (A), itself, and what
reads it (R); the mean over nodes (BRP-NAS's global node); a linear score; the loss is
log(1 + exp(s_j - s_i)) over all pairs of a batch of which i is the better, which is the binary
relation classifier softmax(w(e_i - e_j)) of the paper without its bias. Several members are
trained side by side for a spread, and scores are mapped to targets by least squares. Deviations:
three members of 32 units and 60 epochs instead of one of 600 and 250, and no dropout: predictors
are refitted many times in a search, on a CPU. Rows of plain features are graphs of one node.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from nasturtium.errors import EstimateError
from nasturtium.predict.forest import LEAST
from nasturtium.predict.predictor import (
    FittedPredictor,
    Prediction,
    Predictor,
    check_features,
    check_points,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["GCN"]


@final
@dataclass(frozen=True)
class GCN(Predictor):
    """A graph network on rows of :func:`nasturtium.predict.graph_encodings.encode_dense`.

    Attributes:
        nodes: of each graph; 1 for plain features.
        members: networks trained side by side.
        layers: of graph convolutions.
        width: units of a layer.
        epochs: passes over the points.
        batch: points of a step, of which all pairs are compared.
        learning_rate: of AdamW.
        decay: of AdamW's weights.
    """

    nodes: int = 1
    members: int = 3
    layers: int = 3
    width: int = 32
    epochs: int = 60
    batch: int = 64
    learning_rate: float = 0.01
    decay: float = 5e-4

    def __post_init__(self) -> None:
        least = min(self.nodes, self.layers, self.width, self.epochs)
        if least < 1 or min(self.members, self.batch) < 2 or self.learning_rate <= 0:
            raise EstimateError(
                f"{self!r}: expected at least 2 members, 2 points of a batch, 1 node, layer, unit "
                "and epoch, and a rate above 0"
            )

    def fit(self, features: ArrayLike, targets: ArrayLike, seed: int = 0) -> Ordered:
        x, y = check_points(features, targets)
        links, kinds = _graphs(x, self.nodes)
        goals = torch.from_numpy(y)
        draw = torch.Generator().manual_seed(seed)
        sizes = [kinds.shape[2], *[self.width] * self.layers]
        layers = []
        for before, after in pairwise(sizes):
            reach = (6.0 / (3 * before + after)) ** 0.5
            uniform = torch.rand(self.members, 3 * before, after, generator=draw)
            weight = (reach * (2.0 * uniform - 1.0)).requires_grad_()
            layers.append((weight, torch.zeros(self.members, 1, after, requires_grad=True)))
        head = (torch.randn(self.members, self.width, 1, generator=draw) * 0.1).requires_grad_()
        tensors = [tensor for layer in layers for tensor in layer]
        adam = torch.optim.AdamW(
            [*tensors, head], lr=self.learning_rate, weight_decay=self.decay, foreach=True
        )
        steps = self.epochs * -(-len(y) // self.batch)
        plan = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
        with torch.enable_grad():
            for _ in range(self.epochs):
                for rows in torch.split(torch.randperm(len(y), generator=draw), self.batch):
                    score = _forward(layers, head, links[rows], kinds[rows])
                    better = (goals[rows][:, None] > goals[rows][None, :]).float()
                    worse = score[:, None, :] - score[:, :, None]
                    pairs = better.sum().clamp(min=1.0)
                    adam.zero_grad()
                    # The mean over pairs, but the sum over members: each is trained by itself.
                    ((softplus(worse) * better).sum() / pairs).backward()  # type: ignore[no-untyped-call]
                    adam.step()
                    plan.step()
        fixed = [(weight.detach(), bias.detach()) for weight, bias in layers]
        return Ordered(self.nodes, x.shape[1], fixed, head.detach(), x, y)


@final
class Ordered(FittedPredictor):
    """A graph network that has been trained, its scores on the scale of the targets."""

    def __init__(
        self,
        nodes: int,
        columns: int,
        layers: list[tuple[Tensor, Tensor]],
        head: Tensor,
        x: np.ndarray,
        y: np.ndarray,
    ) -> None:
        self._nodes, self._columns = nodes, columns
        self._layers, self._head = layers, head
        scores = self._scores(x)
        centre = scores.mean(1, keepdims=True)
        across = ((scores - centre) ** 2).sum(1)
        slope = ((scores - centre) * (y - y.mean())).sum(1) / np.maximum(across, LEAST)
        self._slope = np.maximum(slope, 0.0)[:, None]  # an order is never turned round
        self._offset = y.mean() - self._slope * centre

    def predict(self, features: ArrayLike) -> Prediction:
        votes = self._scores(check_features(features, self._columns)) * self._slope + self._offset
        return Prediction(votes.mean(0), votes.std(0, ddof=1) + LEAST)

    def _scores(self, x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return _forward(self._layers, self._head, *_graphs(x, self._nodes)).double().numpy()


def _graphs(x: np.ndarray, nodes: int) -> tuple[Tensor, Tensor]:
    """Return adjacency (graphs, nodes, nodes) and labels (graphs, nodes, labels) of rows.

    Raises:
        EstimateError: the rows are not graphs with this number of nodes.
    """
    if nodes == 1:
        return torch.zeros(len(x), 1, 1), torch.from_numpy(x)[:, None, :]
    labels, rest = divmod(x.shape[1] - nodes * nodes, nodes)
    if rest or labels < 1:
        raise EstimateError(
            f"rows of {x.shape[1]} columns are not graphs of {nodes} nodes; expected nodes * nodes "
            "+ nodes * labels columns, as nasturtium.predict.graph_encodings.encode_dense returns"
        )
    links = torch.from_numpy(x[:, : nodes * nodes]).view(-1, nodes, nodes)
    return links, torch.from_numpy(x[:, nodes * nodes :]).view(-1, nodes, labels)


def _forward(
    layers: list[tuple[Tensor, Tensor]], head: Tensor, links: Tensor, kinds: Tensor
) -> Tensor:
    """(graphs, nodes, nodes) and (graphs, nodes, labels) to scores: (members, graphs)."""
    members, (graphs, nodes) = len(head), kinds.shape[:2]
    read = links / links.sum(1, keepdim=True).clamp(min=1.0)
    back = links / links.sum(2, keepdim=True).clamp(min=1.0)
    near = torch.cat([read.transpose(1, 2), back], 1)  # what a node reads; what reads it
    state = kinds.expand(members, *kinds.shape)
    for weight, bias in layers:
        around = torch.matmul(near, state)
        joined = torch.cat([state, around[:, :, :nodes], around[:, :, nodes:]], 3)
        flat = joined.reshape(members, graphs * nodes, -1)
        state = torch.baddbmm(bias, flat, weight).relu_().view(members, graphs, nodes, -1)
    return torch.bmm(state.mean(2), head).squeeze(2)
