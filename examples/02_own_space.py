"""Your own search space: a function that asks for decisions and returns a function that builds.

On the command line, with this file:

    nasturtium search digits --space examples/02_own_space.py:net
"""

import os
from collections import OrderedDict

from torch import nn

import nasturtium as nas


class ConvBNReLU(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


@nas.space
def net(choose, *, inputs, classes):
    """Ask for a chain of convolutions, each of which may be left out."""
    width = choose("width", (8, 16, 24))
    blocks = []
    for index in range(choose("depth", (1, 2, 3))):
        with choose.scope(f"block{index}"):
            kernel = choose("kernel", (3, 5))
            options = {
                "conv": nas.block(ConvBNReLU, width, width, kernel),
                "skip": nas.block(nn.Identity),
            }
            blocks.append((f"block{index}", choose.module("op", options)))

    def build():
        body = OrderedDict((name, block()) for name, block in blocks)
        return nn.Sequential(
            OrderedDict(
                stem=ConvBNReLU(inputs[0], width, 3),
                body=nn.Sequential(body),
                head=nas.Classifier(width, classes),
            )
        )

    return build


if __name__ == "__main__":
    smoke = "NASTURTIUM_SMOKE" in os.environ
    print(net.check(inputs=(1, 8, 8), classes=10))  # builds and runs every option once
    study = nas.search(
        "digits",
        space=net,
        trials=2 if smoke else 20,
        recipe="epochs=1" if smoke else "epochs=6",
        executor="here" if smoke else None,
        numerics="threads=1" if smoke else None,
        store=None,
    )
    print(study.best.architecture, study.best.metrics["accuracy"])
