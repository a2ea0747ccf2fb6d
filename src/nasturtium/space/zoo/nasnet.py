"""NASNet: cells of five blocks, each of which combines two operations on two earlier states.

Zoph et al. (2018), "Learning Transferable Architectures for Scalable Image Recognition", section
3. A block asks for two earlier states, an operation for each (13 of them) and how the results are
combined (added, or concatenated). The states that no block reads are concatenated to the cell's
output. N normal cells, a reduction cell, N normal cells, a reduction cell, N normal cells; a cell's
inputs are the outputs of the two before it.

With C1 = 13 operations, C2 = 2 combinations and B blocks there are
(C1^2 * C2)^B * prod(C(k, 2) for k = 2..B + 1) cells of each kind where a block reads two different
states: 1.2e16 for B = 5. With ``distinct=False`` it may read one state twice, as NASNet-A does.

Implemented: CIFAR's skeleton; above 64 pixels ImageNet's, with a strided convolution without
padding and two reduction cells of a quarter and half of the channels in front. As in the authors'
released code (TF-slim's ``nasnet``), which says more than the text:

* the first cell has no older input and reads the stem's map in its place, as it is; an operation
  between different numbers of channels has them changed by its first convolution, and pooling and
  identity by a 1x1 convolution behind;
* an identity of stride 2 is a strided 1x1 convolution;
* the released NASNet-A concatenates more than the states that no block reads: ``kept`` names the
  older input of its normal cell, and the second block of its reduction cell;
* the largest network has a stem three times as wide, and the cell behind a reduction reads what
  the reduction read as its older input (``bypass``);
* drop-path grows with a cell's place, up to the last one's probability, and with the epochs.

Deviations: 1x1 convolutions bring a cell's inputs and concatenated results to its channels, inputs
also where they have them already. The auxiliary classifier is left out.

The tests reproduce the size by the formula, and :data:`NASNET_A` by its arguments
(:data:`NETWORKS`): 5,289,978 parameters for ImageNet's small network 4 @ 1056 and 88,753,150 for
its large one 6 @ 4032, the trainable parameters of the ports of the released weights (Keras, and
Cadene's and osmr's for PyTorch) to the last digit; the published 564 M and 23.8 G
multiply-accumulates, and CIFAR's 3.3 M parameters, to the printed digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, final

from torch import Tensor, nn

from nasturtium.architecture import Architecture, Value
from nasturtium.cost.block_costs import Figures, Measure, Shape, total
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block, block, chain
from nasturtium.space.decorator import space
from nasturtium.space.operations import Classifier
from nasturtium.space.zoo.image_skeleton import Step, image, walked
from nasturtium.space.zoo.nasnet_cell import OPTIONS, Cell, Kind, Pair, Place

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["NASNET_A", "NETWORKS", "nasnet"]

KINDS = ("normal", "reduce")
COMBINE = ("add", "concat")


class Settings(NamedTuple):
    """A network's arguments, as :func:`nasnet` has them."""

    inputs: tuple[int, int, int]
    classes: int
    channels: int
    repeats: int
    stem: int
    bypass: bool
    drop: float

    @property
    def large(self) -> bool:
        """Whether the images are reduced before the first normal cell."""
        return min(self.inputs[1:]) > 64

    def entry(self) -> Block:
        """Return the stem."""
        stride, padding = (2, 0) if self.large else (1, 1)
        return chain(
            conv=block(
                nn.Conv2d, self.inputs[0], self.stem, 3, stride, padding=padding, bias=False
            ),
            norm=block(nn.BatchNorm2d, self.stem),
        )

    def plan(self) -> list[tuple[str, int]]:
        """Kinds and channels of the cells; a reduction has those of the cells behind it."""
        cells = []
        for stage in range(3):
            width = self.channels * 2**stage
            cells += [("reduce", width)] * (stage > 0) + [("normal", width)] * self.repeats
        stem = [("reduce", self.channels // 4), ("reduce", self.channels // 2)]
        return stem + cells if self.large else cells

    def steps(self, kinds: tuple[Kind, Kind]) -> list[Step]:
        """Return the network's cells."""
        steps: list[Step] = []
        before, halved = (self.stem, self.stem), False
        plan = self.plan()
        for index, (name, width) in enumerate(plan):
            kind, reduces = kinds[KINDS.index(name)], name == "reduce"
            drop = self.drop * (index + 1) / len(plan)
            place = Place(before, width, not steps, halved, reduces, drop)
            bypassed = self.bypass and reduces and not (self.large and index < 2)
            steps.append(Step(block(Cell, kind, place), bypassed))
            outputs = width * len(kind.ends())
            before, halved = (before[0] if bypassed else before[1], outputs), reduces
        return steps

    def head(self, kinds: tuple[Kind, Kind]) -> Block:
        """Return the classifier, behind a normal cell of the last stage."""
        return block(Classifier, 4 * self.channels * len(kinds[0].ends()), self.classes)


@final
class Network(nn.Module):
    """Stem, cells, classifier: (N, C, H, W) to (N, classes)."""

    @staticmethod
    def composed(of: Measure, shape: Shape, kinds: tuple[Kind, Kind], given: Settings) -> Figures:
        """Return the cost from the parts' costs; see :mod:`nasturtium.cost.block_costs`."""
        entry = of(given.entry(), shape)
        # Drop-path costs nothing, and without it the cells of a stage are equal.
        cells = walked(of, given._replace(drop=0.0).steps(kinds), entry.shape, entry.shape)
        return total(entry, cells, of(given.head(kinds), cells.shape))

    def __init__(self, kinds: tuple[Kind, Kind], given: Settings) -> None:
        super().__init__()
        self.stem = given.entry()()
        steps = given.steps(kinds)
        self.bypassed = [step.bypassed for step in steps]
        for index, step in enumerate(steps):
            self.add_module(f"cell{index}", step.cell())
        self.act = nn.ReLU(inplace=True)
        self.classifier = given.head(kinds)()

    def forward(self, x: Tensor) -> Tensor:
        older = newer = self.stem(x)
        for index, bypassed in enumerate(self.bypassed):
            made = self._modules[f"cell{index}"](older, newer)  # type: ignore[misc]
            older, newer = older if bypassed else newer, made
        logits: Tensor = self.classifier(self.act(newer))
        return logits


def _published() -> Architecture:
    """NASNet-A (figure 4): states by number, the newer input being 1."""
    cells = {
        "normal": (
            "1 sep_conv_5x5 0 sep_conv_3x3, 0 sep_conv_5x5 0 sep_conv_3x3, "
            "1 avg_pool_3x3 0 identity, 0 avg_pool_3x3 0 avg_pool_3x3, 1 sep_conv_3x3 1 identity"
        ),
        "reduce": (
            "1 sep_conv_5x5 0 sep_conv_7x7, 1 max_pool_3x3 0 sep_conv_7x7, "
            "1 avg_pool_3x3 0 sep_conv_5x5, 3 identity 2 avg_pool_3x3, "
            "2 sep_conv_3x3 1 max_pool_3x3"
        ),
    }
    record: dict[str, Value] = {}
    for kind, text in cells.items():
        for index, words in enumerate(text.split(", ")):
            left, left_op, right, right_op = words.split()
            scope = f"{kind}.block{index}"
            record |= {f"{scope}.left": int(left), f"{scope}.right": int(right)}
            record |= {f"{scope}.left_op": left_op, f"{scope}.right_op": right_op}
            record[f"{scope}.combine"] = "add"
    return Architecture("nasnet", record)


NASNET_A = _published()
"""The paper's best cells: ``nasnet.bind(**NETWORKS["4 @ 1056"])`` and the like."""

_RELEASED = {"distinct": False, "kept": ((0,), (3,))}
_IMAGENET = {**_RELEASED, "classes": 1000}
NETWORKS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "4 @ 1056": {**_IMAGENET, "inputs": (3, 224, 224), "channels": 44, "repeats": 4},
        "6 @ 4032": {
            **_IMAGENET,
            "inputs": (3, 331, 331),
            "channels": 168,
            "repeats": 6,
            "stem": 96,
            "bypass": True,
        },
        "6 @ 768": {**_RELEASED, "inputs": (3, 32, 32), "classes": 10},
    }
)
"""Arguments of the published networks of these cells: the small and the large one for ImageNet,
and CIFAR-10's."""


def _pairs(choose: Choose, kind: str, blocks: int, distinct: bool) -> tuple[Pair, ...]:
    """Ask for a cell."""
    pairs = []
    for index in range(blocks):
        states = range(2 + index)
        with choose.scope(f"{kind}.block{index}"):
            if distinct:
                left, right = choose.subset("inputs", states, least=2, most=2)
            else:
                left, right = choose("left", states), choose("right", states)
            ops = choose.module("left_op", OPTIONS), choose.module("right_op", OPTIONS)
            pairs.append(Pair((left, right), ops, choose("combine", COMBINE)))
    return tuple(pairs)


@space
def nasnet(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    channels: int = 32,
    repeats: int = 6,
    blocks: int = 5,
    distinct: bool = True,
    kept: tuple[tuple[int, ...], tuple[int, ...]] = ((), ()),
    stem: int | None = None,
    bypass: bool = False,
    drop_path: float = 0.0,
) -> Callable[[], Any]:
    """NASNet: a normal and a reduction cell of five blocks (Zoph et al., CVPR 2018).

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, at least 4 pixels a side.
        classes: number of classes.
        channels: channels of a state of the first cells; 32 for CIFAR's 6 @ 768, 44 for
            ImageNet's 4 @ 1056.
        repeats: normal cells in a row; 6 for CIFAR, 4 for ImageNet's small network.
        blocks: blocks per cell.
        distinct: whether a block reads two different states.
        kept: states of a normal and of a reduction cell that it gives on though a block reads
            them: 0 and 1 are the older and the newer input, 2 the first block.
        stem: channels of the stem; 32 above 64 pixels, else three times ``channels``.
        bypass: whether the cell behind a reduction reads the reduction's older input in place of
            its newer one, as in ImageNet's large network.
        drop_path: probability of leaving out a path of one example in the last cell, for training;
            in proportion to their places in the others.

    Raises:
        SpaceError: an argument is out of its range, or the images are too small.
    """
    image("nasnet", inputs, 4)
    if blocks < 1 or repeats < 1 or channels < 8 or not 0 <= drop_path < 1:
        raise SpaceError(
            f"space 'nasnet' got blocks={blocks!r}, repeats={repeats!r}, channels={channels!r}, "
            f"drop_path={drop_path!r}; expected at least one block, one cell and 8 channels, and "
            "a probability below 1"
        )
    if len(kept) != len(KINDS) or not all(
        s in range(2 + blocks) for states in kept for s in states
    ):
        raise SpaceError(
            f"space 'nasnet' got kept={kept!r}; expected the states of a normal and of a "
            f"reduction cell, of 0 to {1 + blocks}, e.g. ((0,), (3,))"
        )
    if stem is None:
        stem = 32 if min(inputs[1:]) > 64 else 3 * channels
    kinds = tuple(
        Kind(_pairs(choose, name, blocks, distinct), tuple(states))
        for name, states in zip(KINDS, kept, strict=True)
    )
    given = Settings(inputs, classes, channels, repeats, stem, bypass, drop_path)
    return lambda: block(Network, kinds, given)
