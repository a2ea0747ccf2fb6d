"""Chains: three stages of equal layers, the plainest design space; ResNets with a switch.

Radosavovic et al. (2019), "On Network Design Spaces for Visual Recognition", section 4.1 and
appendix. A 3x3 convolution to 16 channels; three stages at full, half and a quarter of the
resolution; pooling and a linear layer. A stage has a depth (9 values from 1 to 24) and a width (12
values from 16 to 256): 108^3 = 1,259,712 networks. "Vanilla" stages are chains of 3x3
convolutions; with ``residual=True`` a layer is two of them with a shortcut, the "ResNet" space.

Deviations: the paper gives the ends and the number of values; here they lie evenly in the
logarithm, rounded up to whole depths and to widths divisible by 8. A stride is dropped where it
would leave fewer than 4 pixels, and there is a stem of stride 4 above 64 pixels.

The tests reproduce the size, and ResNet-56 (:data:`RESNET56`: 0.86 M parameters, 0.13 G
multiply-accumulates, the upper end of the paper's study) as a network of the same layers.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from nasturtium.blocks import Block, block
from nasturtium.blocks import chain as sequence
from nasturtium.space.choice import space
from nasturtium.space.ops import Classifier, ConvBN, ConvBNReLU
from nasturtium.space.zoo.skeleton import fitting, image
