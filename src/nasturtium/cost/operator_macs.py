"""Multiply-accumulates of operators that torch's flop counter leaves out.

All other operators are free by convention: element-wise arithmetic, activation functions,
normalisations, reductions, pooling, lookups and views; see :mod:`nasturtium.cost.count`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log2, prod
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from nasturtium.errors import EstimateError

__all__ = ["count_macs"]

_aten = torch.ops.aten


def _trilinear(args: Sequence[Any], output: Any) -> int:
    """Count ``nn.Bilinear``: one for each weight and each pair of rows."""
    shapes: list[list[int]] = []
    for tensor, axes in zip(args[:3], args[3:6], strict=True):
        shape = list(tensor.shape)
        for axis in sorted(axes):
            shape.insert(axis, 1)
        shapes.append(shape)
    return prod(map(max, zip(*shapes, strict=True)))


def _fourier(args: Sequence[Any], output: Any) -> int:
    """Cooley and Tukey (1965): n/2 log2 n complex products, of four real ones each.

    A transform of real numbers, or to real numbers, takes half of them.
    """
    real = not (args[0].is_complex() and output.is_complex())
    whole = output if args[0].is_complex() else args[0]
    points = 1
    for axis in args[1]:
        points *= whole.shape[axis]
    return int(2 * whole.numel() * log2(max(points, 1))) // (2 if real else 1)


# By operator, the multiply-accumulates of its arguments and output.
_FORMULAS: Mapping[str, Callable[[Sequence[Any], Any], int]] = MappingProxyType(
    {
        "mv": lambda args, output: args[0].numel(),
        "addmv": lambda args, output: args[1].numel(),
        "dot": lambda args, output: args[0].numel(),
        "vdot": lambda args, output: args[0].numel(),
        "addr": lambda args, output: output.numel(),
        "addbmm": lambda args, output: args[1].numel() * args[2].shape[-1],
        "_int_mm": lambda args, output: args[0].numel() * args[1].shape[-1],
        "_cdist_forward": lambda args, output: output.numel() * args[0].shape[-1],
        "_pdist_forward": lambda args, output: output.numel() * args[0].shape[-1],
        "_trilinear": _trilinear,
        "_fft_c2c": _fourier,
        "_fft_r2c": _fourier,
        "_fft_c2r": _fourier,
    }
)

# Operators with products for which there is no agreed number, or that no trace has met yet.
_REFUSED = frozenset(
    """
    _grouped_mm _scaled_grouped_mm _scaled_grouped_mm_v2 _scaled_mm_v2 _addmm_activation
    _sparse_addmm _sparse_mm _sparse_mm_reduce_impl _sparse_sparse_matmul sparse_sampled_addmm
    sspaddmm smm hspmm _cslt_sparse_mm _sparse_semi_structured_linear _sparse_semi_structured_mm
    _sparse_semi_structured_addmm _weight_int4pack_mm _weight_int4pack_mm_for_cpu
    _weight_int4pack_mm_with_scales_and_zeros _weight_int8pack_mm _mixed_dtypes_linear
    _conv_depthwise2d conv_depthwise3d slow_conv3d_forward slow_conv_dilated2d
    slow_conv_dilated3d slow_conv_transpose2d slow_conv_transpose3d conv_tbc mkldnn_convolution
    mkldnn_linear mkldnn_rnn_layer _cudnn_rnn miopen_rnn _lstm_mps _thnn_fused_gru_cell
    _thnn_fused_lstm_cell _native_multi_head_attention _triton_multi_head_attention
    _triton_scaled_dot_attention _scaled_dot_product_flash_attention_for_cpu
    _scaled_dot_product_fused_attention_overrideable _linalg_det _linalg_eigh _linalg_eigvals
    _linalg_slogdet _linalg_solve_ex _linalg_svd linalg_cholesky_ex linalg_eig linalg_eigvals
    linalg_householder_product linalg_inv_ex linalg_ldl_factor_ex linalg_ldl_solve linalg_lstsq
    linalg_lu linalg_lu_factor_ex linalg_lu_solve linalg_matrix_exp linalg_qr
    linalg_solve_triangular triangular_solve cholesky cholesky_inverse _cholesky_solve_helper
    cholesky_solve geqrf ormqr orgqr _spsolve
    """.split()  # noqa: SIM905
)


def count_macs(
    packet: Any, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any
) -> int:
    """Return the multiply-accumulates of an operator that has no formula in torch.

    Raises:
        EstimateError: it multiplies, and no formula is known.
    """
    name = packet.__name__
    if name.endswith("_") and not name.endswith("__"):  # in place
        name = name[:-1]
        plain = flop_registry.get(getattr(_aten, name, None))
        if plain is not None:
            return int(plain(*args, **kwargs, out_val=output)) // 2
    formula = _FORMULAS.get(name)
    if formula is not None:
        return formula(args, output)
    if name in _REFUSED or (func.namespace not in ("aten", "prims", "prim") and _has_weights(args)):
        raise EstimateError(
            f"operator {func.namespace}::{name} multiplies, and has no formula; register "
            f"one with torch.utils.flop_counter.register_flop_formula(torch.ops."
            f"{func.namespace}.{name}), which counts two operations for each"
        )
    return 0


def _has_weights(args: Sequence[Any]) -> bool:
    """Return whether an operator has a matrix of floats besides its first argument."""
    return any(
        isinstance(arg, Tensor) and arg.ndim > 1 and arg.is_floating_point() for arg in args[1:]
    )
