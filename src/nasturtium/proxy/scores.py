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

On NAS-Bench-201 the number of parameters orders networks about as well (Spearman .75 on CIFAR-10)
as the best of these: a proxy that does not beat it is no better than counting.

Implemented: as given there. Deviations: synflow is given as its logarithm; dropout is off. A copy
is scored, so the module stays as it is. The tests hold every score against closed forms.
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

__all__ = ["LABEL_FREE", "NAMES", "grad_norm", "jacov", "naswot", "scores", "snip", "synflow"]

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


def scores(
    module: nn.Module,
    inputs: Tensor,
    targets: Tensor | None = None,
    *,
    names: Sequence[str] = (),
    loss: Loss = cross_entropy,
) -> dict[str, float]:
    """Several scores of one network, which share the passes through it.

    All five take one pass forward and three backward, of which synflow's are of a single example.

    Args:
        module: the network, at its initial weights; it is not changed. naswot looks at rectifiers
            (ReLU, its kin, SiLU, GELU), modules or functions, whose first axis is the examples.
        inputs: (examples, ...); at least two for jacov and naswot. synflow reads the shape alone.
        targets: what ``loss`` takes; without them there are no grad_norm and no snip.
        names: which scores; all that can be had if empty.
        loss: of outputs and targets, a mean over examples.

    Raises:
        EstimateError: an unknown name, a score that needs what is not given, or a network that it
            does not fit: nothing that has weights takes part, nothing flows, no activation is met,
            or the outputs do not depend on the examples.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from nasturtium.proxy.scores import scores
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> sorted(scores(net, torch.eye(4), torch.tensor([0, 1, 0, 1])))
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
                f"{name} needs targets; without them there are {', '.join(LABEL_FREE)}"
            )
        if name in ("jacov", "naswot") and len(inputs) < 2:
            raise EstimateError(
                f"{name} compares examples; got inputs of shape {tuple(inputs.shape)}, expected "
                "at least two"
            )
    found: dict[str, float] = {}
    if set(wanted) != {"synflow"}:
        found |= _of_batch(module, inputs, targets, wanted, loss)
    if "synflow" in wanted:
        found["synflow"] = _synflow(module, inputs)
    for name, value in found.items():
        if not math.isfinite(value) and name != "naswot":
            raise EstimateError(
                f"{name} is {value}; the network's initial weights or the batch are too large"
            )
    return {name: found[name] for name in wanted}


def grad_norm(
    module: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss = cross_entropy
) -> float:
    """The sum of the norms of the weights' gradients; larger is said to be better."""
    return scores(module, inputs, targets, names=("grad_norm",), loss=loss)["grad_norm"]


def snip(module: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss = cross_entropy) -> float:
    """How much the loss depends on the connections; larger is said to be better."""
    return scores(module, inputs, targets, names=("snip",), loss=loss)["snip"]


def synflow(module: nn.Module, inputs: Tensor) -> float:
    """The logarithm of the flow through all paths; needs no data, only the shape of ``inputs``."""
    return scores(module, inputs, names=("synflow",))["synflow"]


def jacov(module: nn.Module, inputs: Tensor) -> float:
    """How differently the network responds to different examples; larger is said to be better."""
    return scores(module, inputs, names=("jacov",))["jacov"]


def naswot(module: nn.Module, inputs: Tensor) -> float:
    """How differently examples switch the rectifiers; larger is said to be better.

    Minus infinity where two examples switch all of them alike.
    """
    return scores(module, inputs, names=("naswot",))["naswot"]


def _of_batch(
    module: nn.Module, inputs: Tensor, targets: Tensor | None, wanted: Sequence[str], loss: Loss
) -> dict[str, float]:
    """The scores that look at examples, from one pass forward."""
    twin, found = _training(module), dict[str, float]()
    agree = torch.zeros(len(inputs), len(inputs), dtype=torch.float64, device=inputs.device)
    met = 0

    def listen(made: Tensor) -> None:
        nonlocal met
        if made.ndim < 2 or len(made) != len(inputs):
            return
        met += 1
        on = (made.detach().flatten(1) > 0).float()  # whole numbers: exact up to 2^24 of them
        both, count = on @ on.T, on.sum(1)
        agree.add_(both + (on.shape[1] - count[:, None] - count[None] + both))

    watch = _Watch(listen if "naswot" in wanted else None)
    labelled = [name for name in ("grad_norm", "snip") if name in wanted]
    x = inputs.detach().clone().requires_grad_("jacov" in wanted)
    with torch.set_grad_enabled("jacov" in wanted or bool(labelled)):
        with watch:
            outputs = _single(twin(x))
        if "jacov" in wanted:
            (slopes,) = torch.autograd.grad(outputs.sum(), x, retain_graph=bool(labelled))
            found["jacov"] = _jacov(module, slopes)
        if labelled and targets is not None:
            pairs = _weighed(twin, loss(outputs, targets), watch.multiplied)
            found["grad_norm"] = sum(float(g.norm()) for _, g in pairs)
            found["snip"] = sum(float((w * g).abs().sum()) for w, g in pairs)
    if "naswot" in wanted:
        if not met:
            raise EstimateError(
                f"naswot met no activation in this {type(module).__name__}; it looks at ReLU and "
                "its kin, SiLU and GELU, whose first axis is the examples"
            )
        # Examples with equal codes make the matrix singular; the determinant is then that of none.
        found["naswot"] = float(torch.linalg.slogdet(agree)[1])
    return found


def _synflow(module: nn.Module, inputs: Tensor) -> float:
    bare = _bare(copy.deepcopy(module).double()).eval()
    with torch.no_grad():
        for tensor in bare.state_dict().values():
            if tensor.is_floating_point():
                tensor.abs_()
    ones = torch.ones(1, *inputs.shape[1:], dtype=torch.float64, device=inputs.device)
    with torch.enable_grad():
        with (watch := _Watch()):
            flow = _single(bare(ones)).sum()
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


def _training(module: nn.Module) -> nn.Module:
    """A copy in training mode, but for dropout."""
    twin = copy.deepcopy(module).train()
    for part in twin.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd):
            part.eval()
    return twin


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees which tensors are multiplied as matrices, and what rectifiers give.

    Attributes:
        multiplied: addresses of the storages of what is multiplied.
    """

    def __init__(self, listen: Callable[[Tensor], None] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.multiplied: set[int] = set()
        self._listen = listen

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        if packet in flop_registry or packet.__name__ in PRODUCTS:
            tensors = (leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor))
            self.multiplied.update(tensor.untyped_storage().data_ptr() for tensor in tensors)
        elif self._listen is not None and packet.__name__.rstrip("_") in RECTIFIERS:
            self._listen(made)
        return made


def _weighed(module: nn.Module, value: Tensor, multiplied: set[int]) -> list[tuple[Tensor, Tensor]]:
    """Weight matrices that take part in a value, and its gradients."""
    weights = [part.weight for part in module.modules() if isinstance(part, WEIGHED)]
    known = set(map(id, weights))
    for name, parameter in module.named_parameters():
        # A parametrised weight is among the layers', as it is computed.
        if parameter.ndim < 2 or id(parameter) in known or "parametrizations." in name:
            continue
        if parameter.untyped_storage().data_ptr() in multiplied:
            weights.append(parameter)
    slopes: Sequence[Tensor | None] = ()
    if weights and value.requires_grad:
        slopes = torch.autograd.grad(value, weights, allow_unused=True)
    pairs = zip(weights, slopes, strict=False)
    found = [(weight.detach(), slope) for weight, slope in pairs if slope is not None]
    if not found:
        raise EstimateError(
            f"no weight matrix of this {type(module).__name__} takes part in its output, so there "
            "are no gradients to score"
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
