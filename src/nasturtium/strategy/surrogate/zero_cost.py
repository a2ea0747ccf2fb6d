"""Zero-cost proxies as features: scores of networks at their initial weights.

Abdelfattah, Mehrotra, Dudziak & Lane (2021), "Zero-cost proxies for lightweight NAS"; the scores
are those of :mod:`nasturtium.proxy.zero_cost_scores`. They are computed on a few images, or else on
standard normal noise in their shape, which orders networks nearly as well (the documentation has
the correlations on NAS-Bench-201); scores that need labels are available where labels are given.

A score costs as much as building the network and training on a few dozen examples: far less than a
training, far more than counting. It pays where trainings take minutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn

from nasturtium.errors import EstimateError, StrategyError
from nasturtium.proxy.zero_cost_scores import LABEL_FREE, NAMES, compute_scores

if TYPE_CHECKING:
    from nasturtium.architecture import Architecture
    from nasturtium.space.base import Space

__all__ = ["ProxyCache", "ZeroCostProxies"]

EXAMPLES = 16  # of noise
MOST = 20_000  # architectures whose scores are remembered


@final
class ZeroCostProxies:
    """The scores that are features, and the examples that they are computed on.

    Args:
        images: (N, ...) examples as networks are given them, 16 or 32 of them; noise if not given.
        labels: (N,) their classes, for scores that need them.
        names: of scores; all that can be had if empty.

    Raises:
        StrategyError: an unknown score, one that needs labels, fewer than two examples, or labels
            without examples or of another number.

    Example:
        >>> import nasturtium as nas
        >>> from random import Random
        >>> space = nas.zoo.nasbench201.bind(cells=1, channels=4, inputs=(3, 8, 8), classes=2)
        >>> len(ZeroCostProxies().on(space)(space.sample(Random(1))))
        3
    """

    def __init__(
        self,
        images: Tensor | None = None,
        labels: Tensor | None = None,
        names: Sequence[str] = (),
    ) -> None:
        able = LABEL_FREE if labels is None else NAMES
        wrong = [name for name in names if name not in able]
        if wrong:
            raise StrategyError(
                f"got scores {tuple(names)!r}; there are {', '.join(LABEL_FREE)}, and with labels "
                "grad_norm and snip"
            )
        if images is not None and (images.dim() < 2 or len(images) < 2):
            raise StrategyError(
                f"scores compare examples; got images of shape {tuple(images.shape)}, expected "
                "(N, ...) with N at least 2"
            )
        if labels is not None and (images is None or labels.shape != images.shape[:1]):
            shape = None if images is None else tuple(images.shape)
            raise StrategyError(
                f"scores got labels of shape {tuple(labels.shape)} and images of shape {shape}; "
                "expected one label for each image"
            )
        self.images = images
        self.labels = labels
        self.names = tuple(names) or able

    def to_json(self) -> dict[str, Any]:
        """Return the names, and a digest of the examples."""
        parts = [part for part in (self.images, self.labels) if part is not None]
        read = b"".join(part.contiguous().cpu().numpy().tobytes() for part in parts)
        digest = sha256(read).hexdigest()[:16] if parts else None
        return {"name": "ZeroCostProxies", "names": list(self.names), "examples": digest}

    def on(self, space: Space) -> ProxyCache:
        """Return the scores of a space's architectures.

        Raises:
            StrategyError: images that the space does not take, or a space whose inputs are not
                known.
        """
        inputs = getattr(space, "arguments", {}).get("inputs")
        if inputs is None:
            raise StrategyError(
                f"scores look at networks of space {space.name!r}, whose inputs are not known; "
                f"bind them with {space.name}.bind(inputs=..., classes=...), or give "
                "evidence='counts'"
            )
        images = self.images
        if images is None:
            images = torch.randn((EXAMPLES, *inputs), generator=torch.Generator().manual_seed(0))
        elif tuple(images.shape[1:]) != tuple(inputs):
            raise StrategyError(
                f"scores got images of shape {tuple(images.shape[1:])}; space {space.name!r} takes "
                f"{tuple(inputs)}"
            )
        return ProxyCache(space, self.names, images, self.labels, {})


@final
class ProxyCache:
    """Scores by architecture, cached; NaN where one is not defined.

    Args:
        space: builds networks.
        names: of the scores.
        images: what they look at.
        labels: their classes, or ``None``.
        known: scores by the architecture's key.
    """

    def __init__(
        self,
        space: Space,
        names: Sequence[str],
        images: Tensor,
        labels: Tensor | None,
        known: dict[str, dict[str, float]],
    ) -> None:
        self.names = tuple(names)
        self._space = space
        self._images = images
        self._labels = labels
        self._known = known

    def only(self, names: Sequence[str]) -> ProxyCache:
        """Return some of the scores, with the values known so far."""
        return ProxyCache(self._space, names, self._images, self._labels, self._known)

    def __call__(self, architecture: Architecture) -> tuple[float, ...]:
        known = self._known.get(architecture.key, {})
        missing = [name for name in self.names if name not in known]
        if missing:
            if len(self._known) >= MOST:
                self._known.clear()
            module = self._space.build(architecture, seed=0)
            known = {**known, **self._made(module, missing)}
            self._known[architecture.key] = known
        return tuple(known[name] for name in self.names)

    def _made(self, module: nn.Module, names: Sequence[str]) -> dict[str, float]:
        made = dict.fromkeys(names, math.nan)
        try:
            made |= compute_scores(module, self._images, self._labels, names=names)
        except EstimateError:
            for name in names:
                with suppress(EstimateError):  # nothing flows, or depends on the examples
                    made |= compute_scores(module, self._images, self._labels, names=(name,))
        return {name: v if math.isfinite(v) else math.nan for name, v in made.items()}
