"""Scores of a network at its initial weights, from one batch.

Abdelfattah, Mehrotra, Dudziak & Lane (2021), "Zero-cost proxies for lightweight NAS": *grad_norm*,
*snip* (Lee, Ajanthan & Torr 2019), *synflow* (Tanaka et al. 2020), *jacov* (Mellor et al. 2020, the
first version of its paper); Mellor, Turner, Storkey & Crowley (2021), "Neural architecture search
without training", for *naswot*. L is the loss, g a weight's gradient, w the weight; sums run over
the weights of convolutions and linear layers, and all other matrices that are multiplied with
(those of attention and recurrent layers); batch normalisation uses the batch's statistics:

    grad_norm  sum over layers of |g|_2
    snip       sum |w g|
    synflow    log sum |w dR/dw|,  R the sum of outputs for an input of ones, every parameter
               replaced by its absolute value, batch normalisation left out, in float64
    jacov      -sum_i [log(v_i + k) + 1 / (v_i + k)],  v the eigenvalues of the correlations between
               the examples' input gradients, k = 1e-5
    naswot     log |det K|,  K_ij the number of rectifiers that are on, or off, for both i and j

On NAS-Bench-201 the number of parameters ranks networks about as well (Spearman .75 on CIFAR-10) as
the best of these scores: compare each score with it.

Implemented: as given there. Deviations: synflow is given as its logarithm; dropout is off. A copy
is scored, so the module stays as it is. The tests compare every score with closed forms.
"""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from nasturtium.errors import EstimateError

__all__ = [
    "LABEL_FREE",
    "NAMES",
    "compute_scores",
    "grad_norm",
    "jacov",
    "naswot",
    "snip",
    "synflow",
]

Loss = Callable[[Tensor, Tensor], Tensor]
NAMES = ("grad_norm", "snip", "synflow", "jacov", "naswot")
LABEL_FREE = ("synflow", "jacov", "naswot")
KEEP = 1e-5  # k in jacov
NORMS = (
    nn.modules.batchnorm._BatchNorm,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.modules.instancenorm._InstanceNorm,
)
WEIGHED = (nn.modules.conv._ConvNd, nn.Linear)
RECTIFIERS = frozenset(
    ["relu", "hardtanh", "leaky_relu", "_prelu_kernel", "hardswish", "silu", "gelu"]
)
# Operators that multiply matrices, besides those that torch's flop counter knows.
PRODUCTS = frozenset(
    ["mv", "addmv", "addbmm", "_trilinear", "mkldnn_rnn_layer", "_cudnn_rnn", "miopen_rnn"]
)


def compute_scores(
    module: nn.Module,
    inputs: Tensor,
    targets: Tensor | None = None,
    *,
    names: Sequence[str] = (),
    loss: Loss = cross_entropy,
) -> dict[str, float]:
    """Return several scores of a network, which share passes through it.

    All five take one pass forward and three backward, of which synflow's are of a single example.

    Args:
        module: the network, at its initial weights; it is not changed. naswot reads rectifiers
            (ReLU and its variants, SiLU, GELU), modules or functions, whose first axis is the
            examples.
        inputs: (examples, ...); at least two for jacov and naswot. synflow reads the shape alone.
        targets: targets of ``loss``; grad_norm and snip need them.
        names: names of the scores; all available ones if empty.
        loss: a mean over examples of outputs and targets.

    Raises:
        EstimateError: an unknown name, an absent argument, or a network that a score does not fit:
            no weights contribute, all paths are zero, there is no activation, or the outputs do
            not depend on the examples.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from nasturtium.proxy.zero_cost_scores import compute_scores
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> sorted(compute_scores(net, torch.eye(4), torch.tensor([0, 1, 0, 1])))
        ['grad_norm', 'jacov', 'naswot', 'snip', 'synflow']
    """
    wanted = tuple(names) or (LABEL_FREE if targets is None else NAMES)
    for name in wanted:
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise EstimateError(f"no score is called {name!r}; known are {', '.join(NAMES)}{hint}")
        if name not in LABEL_FREE and targets is None:
            raise EstimateError(
                f"{name} needs targets; without them the scores are {', '.join(LABEL_FREE)}"
            )
        if name in ("jacov", "naswot") and len(inputs) < 2:
            raise EstimateError(
                f"{name} compares examples; got inputs of shape {tuple(inputs.shape)}, expected "
                "at least two"
            )
    values: dict[str, float] = {}
    if set(wanted) != {"synflow"}:
        values |= _score_batch(module, inputs, targets, wanted, loss)
    if "synflow" in wanted:
        values["synflow"] = _synflow(module, inputs)
    for name, value in values.items():
        if not math.isfinite(value) and name != "naswot":
            raise EstimateError(
                f"{name} is {value}; the network's initial weights or the batch are too large"
            )
    return {name: values[name] for name in wanted}


def grad_norm(
    module: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss = cross_entropy
) -> float:
    """Return the sum of the norms of the weights' gradients; larger should be better."""
    return compute_scores(module, inputs, targets, names=("grad_norm",), loss=loss)["grad_norm"]


def snip(module: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss = cross_entropy) -> float:
    """Return how much the loss depends on the connections; larger should be better."""
    return compute_scores(module, inputs, targets, names=("snip",), loss=loss)["snip"]


def synflow(module: nn.Module, inputs: Tensor) -> float:
    """Return the log of the flow through all paths; only the shape of ``inputs`` is used."""
    return compute_scores(module, inputs, names=("synflow",))["synflow"]


def jacov(module: nn.Module, inputs: Tensor) -> float:
    """Return how differently the network responds to examples; larger should be better."""
    return compute_scores(module, inputs, names=("jacov",))["jacov"]


def naswot(module: nn.Module, inputs: Tensor) -> float:
    """Return how differently examples switch the rectifiers; larger should be better.

    The score is minus infinity if two examples switch all rectifiers alike.
    """
    return compute_scores(module, inputs, names=("naswot",))["naswot"]


def _score_batch(
    module: nn.Module, inputs: Tensor, targets: Tensor | None, wanted: Sequence[str], loss: Loss
) -> dict[str, float]:
    """Return the scores that use the examples, from one forward pass."""
    twin, values = _copy_in_training(module), dict[str, float]()
    agree = torch.zeros(len(inputs), len(inputs), dtype=torch.float64, device=inputs.device)
    activations = 0

    def compare(activation: Tensor) -> None:
        nonlocal activations
        if activation.ndim < 2 or len(activation) != len(inputs):
            return
        activations += 1
        on = (activation.detach().flatten(1) > 0).float()  # whole numbers: exact up to 2^24 of them
        both, count = on @ on.T, on.sum(1)
        agree.add_(both + (on.shape[1] - count[:, None] - count[None] + both))

    watch = _Watch(compare if "naswot" in wanted else None)
    labelled = [name for name in ("grad_norm", "snip") if name in wanted]
    x = inputs.detach().clone().requires_grad_("jacov" in wanted)
    with torch.set_grad_enabled("jacov" in wanted or bool(labelled)):
        with watch:
            outputs = _main_output(twin(x))
        if "jacov" in wanted:
            (slopes,) = torch.autograd.grad(outputs.sum(), x, retain_graph=bool(labelled))
            values["jacov"] = _jacov(module, slopes)
        if labelled and targets is not None:
            pairs = _weighed(twin, loss(outputs, targets), watch.multiplied)
            values["grad_norm"] = sum(float(g.norm()) for _, g in pairs)
            values["snip"] = sum(float((w * g).abs().sum()) for w, g in pairs)
    if "naswot" in wanted:
        if not activations:
            raise EstimateError(
                f"naswot found no activation in this {type(module).__name__}; it reads ReLU and "
                "its variants, SiLU and GELU, whose first axis is the examples"
            )
        # Examples with equal codes make the matrix singular, with a log determinant of -inf.
        values["naswot"] = float(torch.linalg.slogdet(agree)[1])
    return values


def _synflow(module: nn.Module, inputs: Tensor) -> float:
    bare = _remove_norms(copy.deepcopy(module).double()).eval()
    with torch.no_grad():
        for tensor in bare.state_dict().values():
            if tensor.is_floating_point():
                tensor.abs_()
    ones = torch.ones(1, *inputs.shape[1:], dtype=torch.float64, device=inputs.device)
    with torch.enable_grad():
        with (watch := _Watch()):
            flow = _main_output(bare(ones)).sum()
        pairs = _weighed(bare, flow, watch.multiplied)
    total = sum(float((w * g).abs().sum()) for w, g in pairs)
    if total <= 0.0:
        raise EstimateError(
            f"synflow of a {type(module).__name__} is the logarithm of {total:g}: no path of "
            "weights leads from input to output"
        )
    return math.log(total)


def _jacov(module: nn.Module, slopes: Tensor) -> float:
    correlations = torch.corrcoef(slopes.flatten(1).double())
    if not correlations.isfinite().all():
        raise EstimateError(
            f"jacov: the outputs of this {type(module).__name__} do not depend on its inputs in a "
            "way that could be correlated"
        )
    values = torch.linalg.eigvalsh(correlations).clamp(min=0.0) + KEEP
    return -float((values.log() + 1.0 / values).sum())


def _copy_in_training(module: nn.Module) -> nn.Module:
    """Return a copy in training mode, with dropout off."""
    twin = copy.deepcopy(module).train()
    for part in twin.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd):
            part.eval()
    return twin


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A mode that records multiplied matrices and reports the outputs of rectifiers.

    Attributes:
        multiplied: addresses of the storages of multiplied tensors.
    """

    def __init__(self, listen: Callable[[Tensor], None] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.multiplied: set[int] = set()
        self._listen = listen

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        if packet in flop_registry or packet.__name__ in PRODUCTS:
            tensors = (leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor))
            self.multiplied.update(tensor.untyped_storage().data_ptr() for tensor in tensors)
        elif self._listen is not None and packet.__name__.rstrip("_") in RECTIFIERS:
            self._listen(output)
        return output


def _weighed(module: nn.Module, value: Tensor, multiplied: set[int]) -> list[tuple[Tensor, Tensor]]:
    """Return the weight matrices that contribute to a value, and its gradients."""
    weights = [part.weight for part in module.modules() if isinstance(part, WEIGHED)]
    known = set(map(id, weights))
    for name, parameter in module.named_parameters():
        # A parametrised weight is computed, and among the weights of the layers.
        if parameter.ndim < 2 or id(parameter) in known or "parametrizations." in name:
            continue
        if parameter.untyped_storage().data_ptr() in multiplied:
            weights.append(parameter)
    slopes: Sequence[Tensor | None] = ()
    if weights and value.requires_grad:
        slopes = torch.autograd.grad(value, weights, allow_unused=True)
    pairs = zip(weights, slopes, strict=False)
    used = [(weight.detach(), slope) for weight, slope in pairs if slope is not None]
    if not used:
        raise EstimateError(
            f"no weight matrix of this {type(module).__name__} contributes to its output, so there "
            "are no gradients to score"
        )
    return used


def _remove_norms(module: nn.Module) -> nn.Module:
    """Replace the normalisations of a module by identities, in place; return the module."""
    if isinstance(module, NORMS):
        return nn.Identity()
    for name, child in module.named_children():
        setattr(module, name, _remove_norms(child))
    return module


def _main_output(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Return the main output of a network that may have auxiliary ones."""
    return outputs if isinstance(outputs, Tensor) else outputs[0]
