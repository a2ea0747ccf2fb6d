"""Scores of a network at its initial weights, from one batch.

Abdelfattah, Mehrotra, Dudziak & Lane (2021), "Zero-cost proxies for lightweight NAS": *grad_norm*,
*snip* (Lee, Ajanthan & Torr 2019), *synflow* (Tanaka et al. 2020), *jacov* (Mellor et al. 2020, the
first version of its paper); Mellor, Turner, Storkey & Crowley (2021), "Neural architecture search
without training", for *naswot*. L is the loss, g a weight's gradient, w the weight; sums run over
the weights of convolutions and linear layers, batch normalisation uses the batch's statistics:

    grad_norm  sum over layers of |g|_2
    snip       sum |w g|
    synflow    log sum |w dR/dw|,  R the sum of outputs for an input of ones, every parameter
               replaced by its absolute value, batch normalisation left out, in float64
    jacov      -sum_i [log(v_i + k) + 1 / (v_i + k)],  v the eigenvalues of the correlations between
               the examples' input gradients, k = 1e-5
    naswot     log |det K|,  K_ij the number of rectifiers that are on, or off, for both i and j

On NAS-Bench-201 the number of parameters orders networks about as well (Spearman .75 on CIFAR-10)
as the best of these: a proxy that does not beat it is no better than counting.

Implemented: as given there. Deviations: synflow is given as its logarithm; dropout is off. A copy
is scored, so the module stays as it is. The tests hold every score against closed forms.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nasturtium.errors import EstimateError

__all__ = ["grad_norm", "jacov", "naswot", "snip", "synflow"]

Loss = Callable[[Tensor, Tensor], Tensor]
KEEP = 1e-5  # k in jacov
NORMS = (
    nn.modules.batchnorm._BatchNorm,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.modules.instancenorm._InstanceNorm,
)
WEIGHED = (nn.modules.conv._ConvNd, nn.Linear)
RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.Hardswish, nn.SiLU, nn.GELU)


def grad_norm(
    module: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss = cross_entropy
) -> float:
    """The sum of the norms of the weights' gradients; larger is said to be better.

    Args:
        module: the network, at its initial weights; it is not changed.
        inputs: (examples, ...).
        targets: what ``loss`` takes.
        loss: of outputs and targets, a mean over examples.

    Raises:
        EstimateError: no convolution or linear layer takes part.
    """
    return _finite(
        "grad_norm", sum(float(g.norm()) for _, g in _slopes(module, inputs, targets, loss))
    )


def snip(module: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss = cross_entropy) -> float:
    """How much the loss depends on the connections; larger is said to be better.

    Args:
        module: the network, at its initial weights; it is not changed.
        inputs: (examples, ...).
        targets: what ``loss`` takes.
        loss: of outputs and targets, a mean over examples.

    Raises:
        EstimateError: no convolution or linear layer takes part.
    """
    pairs = _slopes(module, inputs, targets, loss)
    return _finite("snip", sum(float((w * g).abs().sum()) for w, g in pairs))


def synflow(module: nn.Module, inputs: Tensor) -> float:
    """The logarithm of the flow through all paths; needs no data, only the shape of ``inputs``.

    Raises:
        EstimateError: no convolution or linear layer takes part, or nothing flows.
    """
    bare = _bare(copy.deepcopy(module).double()).eval()
    with torch.no_grad():
        for tensor in bare.state_dict().values():
            if tensor.is_floating_point():
                tensor.abs_()
    ones = torch.ones(1, *inputs.shape[1:], dtype=torch.float64, device=inputs.device)
    with torch.enable_grad():
        _single(bare(ones)).sum().backward()  # type: ignore[no-untyped-call]
    total = sum(float((w * g).abs().sum()) for w, g in _weighed(bare))
    if total <= 0.0:
        raise EstimateError(
            f"synflow of a {type(module).__name__} is the logarithm of {total:g}: no path of "
            "weights leads from input to output"
        )
    return _finite("synflow", math.log(total))


def jacov(module: nn.Module, inputs: Tensor) -> float:
    """How differently the network responds to different examples; larger is said to be better.

    Args:
        module: the network, at its initial weights; it is not changed.
        inputs: (examples, ...), at least two.

    Raises:
        EstimateError: fewer than two examples, or outputs that do not depend on them.
    """
    _several("jacov", inputs)
    x = inputs.detach().clone().requires_grad_()
    with torch.enable_grad():
        (slopes,) = torch.autograd.grad(_single(_training(module)(x)).sum(), x)
    correlations = torch.corrcoef(slopes.flatten(1).double())
    if not correlations.isfinite().all():
        raise EstimateError(
            f"jacov: the outputs of this {type(module).__name__} do not depend on its inputs in a "
            "way that could be correlated"
        )
    values = torch.linalg.eigvalsh(correlations).clamp(min=0.0) + KEEP
    return _finite("jacov", -float((values.log() + 1.0 / values).sum()))


def naswot(module: nn.Module, inputs: Tensor) -> float:
    """How differently examples switch the rectifiers; larger is said to be better.

    Args:
        module: the network, at its initial weights; it is not changed. Its activations have to be
            modules (``nn.ReLU`` and the like), since functions cannot be listened to.
        inputs: (examples, ...), at least two.

    Raises:
        EstimateError: fewer than two examples, or no activation was met.
    """
    _several("naswot", inputs)
    twin = _training(module)
    agree = torch.zeros(len(inputs), len(inputs), dtype=torch.float64, device=inputs.device)
    met = 0

    def listen(part: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        nonlocal met
        met += 1
        on = (made.detach().flatten(1) > 0).double()
        agree.add_(on @ on.T + (1.0 - on) @ (1.0 - on).T)

    for part in twin.modules():
        if isinstance(part, RECTIFIERS):
            part.register_forward_hook(listen)
    with torch.no_grad():
        twin(inputs)
    if not met:
        raise EstimateError(
            f"naswot met no activation in this {type(module).__name__}; it listens to nn.ReLU and "
            "the like, not to functions such as torch.relu"
        )
    # Examples with equal codes make the matrix singular; the determinant is then that of none.
    return float(torch.linalg.slogdet(agree)[1])


def _slopes(
    module: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss
) -> list[tuple[Tensor, Tensor]]:
    twin = _training(module)
    with torch.enable_grad():
        loss(_single(twin(inputs)), targets).backward()  # type: ignore[no-untyped-call]
    return _weighed(twin)


def _training(module: nn.Module) -> nn.Module:
    """A copy in training mode, but for dropout."""
    twin = copy.deepcopy(module).train()
    for part in twin.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd):
            part.eval()
    return twin


def _weighed(module: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Weights of convolutions and linear layers that took part, with their gradients."""
    parts = [part for part in module.modules() if isinstance(part, WEIGHED)]
    pairs = [(part.weight.detach(), part.weight.grad) for part in parts]
    found = [(weight, slope) for weight, slope in pairs if slope is not None]
    if not found:
        raise EstimateError(
            f"no convolution or linear layer of this {type(module).__name__} takes part in its "
            "output, so there are no gradients to score"
        )
    return found


def _bare(module: nn.Module) -> nn.Module:
    """The module with its normalisations replaced by identities, in place."""
    if isinstance(module, NORMS):
        return nn.Identity()
    for name, child in module.named_children():
        setattr(module, name, _bare(child))
    return module


def _single(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The main output, where a network gives auxiliary ones as well."""
    return outputs if isinstance(outputs, Tensor) else outputs[0]


def _several(name: str, inputs: Tensor) -> None:
    if len(inputs) < 2:
        raise EstimateError(
            f"{name} compares examples; got inputs of shape {tuple(inputs.shape)}, expected at "
            "least two"
        )


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise EstimateError(
            f"{name} is {value}; the network's initial weights or the batch are too large"
        )
    return value
