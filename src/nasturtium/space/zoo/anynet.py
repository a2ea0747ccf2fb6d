"""AnyNet: four stages of bottlenecks with group convolutions; design spaces A to E of RegNet.

Radosavovic et al. (2020), "Designing Network Design Spaces", section 3.2. A stem (3x3, stride 2,
32 channels), stages that each begin with a block of stride 2, global pooling, a linear layer. A
block is 1x1, 3x3 in groups, 1x1, with a shortcut. A stage has a depth (1 to 16), a width (8 to
1024 in steps of 8), a bottleneck ratio (1, 2, 4: the inner width is the width divided by it) and a
group width (1 to 32): (16 * 128 * 3 * 6)^4 = 1.8e18 networks, space A.

* ``anynet`` is A. ``anynet_b`` shares the bottleneck ratio, ``anynet_c`` the group width as well;
  in ``anynet_d`` widths never fall from stage to stage, in ``anynet_e`` depths neither. They are
  limits on one builder (6.8e16, 3.2e14, 1.38e13 and 8.2e11 networks, counted exactly; the paper
  divides by 4! twice, which counts ties wrongly: 1.3e13 and 5.5e11).
* ``squeeze=0.25`` makes it AnyNetY: squeeze-and-excitation behind the 3x3, a quarter of the
  block's input wide.
* Widths that do not fit their groups are moved as in pycls, the authors' code
  (:func:`compatible`), or refused with ``adjust=False``. Records that become one network have one
  canonical form.

Deviations: options are drawn evenly, not evenly in the logarithm, so that populations are uniform
over the networks that are counted. Up to 64 pixels the stem has stride 1, and a stage's stride of 2
is dropped where it would leave fewer than 4 pixels a side.

The tests count A to E, and the golden table of RegNet is built by this file.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, final

from torch import Tensor, nn

from nasturtium.architecture import Architecture
from nasturtium.cost.block_costs import Figures, conv, expect, norm, total
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block, block, chain
from nasturtium.space.decorator import space
from nasturtium.space.operations import Classifier, ConvBN, ConvBNReLU, SqueezeExcite
from nasturtium.space.zoo.image_skeleton import fitting, image

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = [
    "Stage",
    "anynet",
    "anynet_b",
    "anynet_c",
    "anynet_d",
    "anynet_e",
    "compatible",
    "network",
]

DEPTHS = tuple(range(1, 17))
WIDTHS = tuple(range(8, 1025, 8))
BOTTLENECKS = (1, 2, 4)
GROUPS = (1, 2, 4, 8, 16, 32)
STEM = 32
NAMES = tuple(f"block{place}" for place in range(64))


class Stage(NamedTuple):
    """A stage: depth in blocks, width, bottleneck ratio, channels per group."""

    depth: int
    width: int
    bottleneck: int
    group: int


def compatible(stage: Stage) -> Stage:
    """Return the stage with the nearest width that its groups divide.

    The group width is at most the inner width, and the inner width becomes its nearest multiple.

    Raises:
        SpaceError: a number is not positive.
    """
    if min(stage) < 1:
        raise SpaceError(
            f"got {stage!r}; expected a depth, a width, a bottleneck ratio and a group width of "
            "at least 1"
        )
    inner = int(max(1, stage.width / stage.bottleneck))
    group = min(stage.group, inner)
    inner = max(group, round(inner / group) * group)
    return stage._replace(width=inner * stage.bottleneck, group=group)


@final
class Bottleneck(nn.Module):
    """The X block, or Y where it squeezes: (N, C, H, W) to (N, C', H/stride, W/stride).

    Args:
        inputs: channels of its input.
        outputs: channels of its output.
        inner: channels of the 3x3 convolution.
        group: channels in each of its groups.
        stride: of the 3x3 convolution.
        squeeze: channels of the squeeze-and-excitation; 0 for none.

    Raises:
        SpaceError: groups of that width do not divide the inner channels.
    """

    def __init__(
        self, inputs: int, outputs: int, inner: int, group: int, stride: int, squeeze: int
    ) -> None:
        super().__init__()
        if inner % group:
            raise SpaceError(
                f"a bottleneck of {inner} inner channels cannot have groups of {group}: they do "
                "not divide; compatible(stage) gives the nearest width that they do"
            )
        self.enter = ConvBNReLU(inputs, inner, 1)
        self.spatial = ConvBNReLU(inner, inner, 3, stride, groups=inner // group)
        self.squeeze = SqueezeExcite(inner, squeeze) if squeeze else None
        self.leave = ConvBN(inner, outputs, 1)
        same = stride == 1 and inputs == outputs
        self.shortcut = None if same else ConvBN(inputs, outputs, 1, stride)
        self.act = nn.ReLU(inplace=True)

    @staticmethod
    def cost(
        shape: tuple[int, ...],
        inputs: int,
        outputs: int,
        inner: int,
        group: int,
        stride: int,
        squeeze: int,
    ) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        expect(shape, inputs)
        enter = norm(conv(shape, inner, 1))
        spatial = norm(conv(enter.shape, inner, 3, stride, inner // group))
        leave = norm(conv(spatial.shape, outputs, 1))
        made = [enter, spatial]
        if squeeze:
            made.append(SqueezeExcite.cost(spatial.shape, inner, squeeze))
        if stride != 1 or inputs != outputs:
            made.append(norm(conv(shape, outputs, 1, stride)))
        return total(*made, leave)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.spatial(self.enter(x))
        if self.squeeze is not None:
            out = self.squeeze(out)
        out = self.leave(out) + (x if self.shortcut is None else self.shortcut(x))
        final: Tensor = self.act(out)
        return final


def network(
    inputs: tuple[int, int, int], classes: int, stages: Sequence[Stage], squeeze: float
) -> Block:
    """Return the network of these stages, whose widths :func:`compatible` adjusts."""
    side = min(inputs[1:])
    strides = fitting((2 if side > 64 else 1, *(2 for _ in stages)), side)
    parts: list[tuple[str, Block]] = [("stem", block(ConvBNReLU, inputs[0], STEM, 3, strides[0]))]
    width = STEM
    for index, stage in enumerate(map(compatible, stages)):
        inner = stage.width // stage.bottleneck
        same = (stage.width, inner, stage.group)
        first = block(Bottleneck, width, *same, strides[index + 1], round(width * squeeze))
        width = stage.width
        rest = block(Bottleneck, width, *same, 1, round(width * squeeze))
        blocks = [first] + [rest] * (stage.depth - 1)
        parts.append((f"stage{index}", chain(zip(NAMES, blocks, strict=False))))
    return chain([*parts, ("head", block(Classifier, width, classes))])


def canonical(architecture: Architecture) -> Hashable:
    """Return the stages after adjustment: equal for records that build equal networks."""
    number = sum(name.endswith(".depth") for name in architecture)
    return tuple(compatible(_stage(architecture, index)) for index in range(number))


def _stage(architecture: Architecture, index: int) -> Stage:
    values: Any = [architecture[f"stage{index}.{name}"] for name in Stage._fields]
    return Stage(*values)


@space(canonical=canonical)
def anynet(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    stages: int = 4,
    squeeze: float = 0.0,
    adjust: bool = True,
) -> Callable[[], Any]:
    """AnyNet: depth, width, bottleneck ratio and group width of each stage, all free.

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, of any size.
        classes: number of classes.
        stages: number of stages.
        squeeze: squeeze-and-excitation's width over the block's input width; 0 for none (X),
            0.25 for Y.
        adjust: move widths that do not fit their groups, as the paper's code does; else such
            combinations are not in the space.

    Raises:
        SpaceError: an argument is out of its range.
    """
    image("anynet", inputs)
    if stages < 1 or squeeze < 0:
        raise SpaceError(
            f"space 'anynet' got stages={stages!r}, squeeze={squeeze!r}; expected at least one "
            "stage, and 0 (none) or a positive ratio such as 0.25"
        )
    made = []
    for index in range(stages):
        with choose.scope(f"stage{index}"):
            depth, width = choose("depth", DEPTHS), choose("width", WIDTHS)
            ratio, group = choose("bottleneck", BOTTLENECKS), choose("group", GROUPS)
        stage = Stage(depth, width, ratio, group)
        if not adjust and (fits := compatible(stage)) != stage:
            choose.reject(
                f"stage{index}: groups of {group} do not divide a width of {width} over a "
                f"bottleneck of {ratio}; the nearest that fits is a width of {fits.width} with "
                f"groups of {fits.group}"
            )
        made.append(stage)
    return lambda: network(inputs, classes, made, squeeze)


anynet_b = anynet.tie("stage*.bottleneck")
anynet_c = anynet_b.tie("stage*.group")
anynet_d = anynet_c.ordered("stage*.width")
anynet_e = anynet_d.ordered("stage*.depth")
