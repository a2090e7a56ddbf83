"""Correct before fast: each implementation's output, and in training its gradients, against the eager float64 module.

What is checked is the callable that is timed, at the batch, in the mode and with the gradients that it is timed with.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from skaprof.analysis.plan import Variant
from skaprof.bench.capacity import free_bytes, least_bytes
from skaprof.nn import build_mixer
from skaprof.workload import DTYPE_BYTES, Workload

Results = dict[str, Tensor]
"""The last batch item's output and gradients, by what they are."""

LIMITS = {"float64": 1e-9, "float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
"""Largest relative error ||found - expected|| / ||expected|| allowed, by dtype."""
LIMIT_TF32 = 5e-3
SMALL_GRADIENT = 0.1  # share of the largest gradient's norm below which an error is measured against that instead
_SHARE_OF_FREE_MEMORY = 0.5
_OUTPUT = "the output"
_TRAINING_COPIES = 4  # a backward pass holds the scores, the weights and both gradients


class WrongOutputError(Exception):
    """An implementation whose output is not the reference's."""


def check(
    run_module: Callable[[Tensor], Tensor], module: nn.Module, variant: Variant, w: Workload, device: str
) -> None:
    """Raise unless `run_module` computes what the eager float64 module with `module`'s weights does.

    The input is random, of the whole batch; its last item is compared, since the reference may need 30 times the memory
    of a fused kernel. In training the other items' output gradients are zero, so that the parameters' gradients are the
    last item's.

    Raises:
        WrongOutputError: they differ by more than the dtype explains.
    """
    with torch.device(device):
        reference = build_mixer(variant.spec, w, "eager").double()
        x = torch.randn(w.batch, w.tokens, w.dim, dtype=getattr(torch, variant.dtype))
        gradient = torch.zeros_like(x)
        gradient[-1] = torch.randn_like(gradient[-1])
    reference.load_state_dict(module.state_dict())
    check_against(reference, run_module, module, x, gradient, variant.dtype, variant.mode)


def check_against(
    reference: nn.Module,
    run_module: Callable[[Tensor], Tensor],
    module: nn.Module,
    x: Tensor,
    gradient: Tensor,
    dtype: str,
    mode: str,
) -> None:
    """Raise unless `run_module` computes of x (B, ...) what the float64 `reference` does, in its last batch item.

    `gradient` is of the output's shape, and zero but for the last item.

    Raises:
        WrongOutputError: they differ by more than the dtype explains.
        RuntimeError: the reference does not run.
    """
    results = _trained if mode == "train" else _computed
    found = results(run_module, module, x, gradient)
    try:
        expected = results(reference, reference, _in_double(x[-1:]), gradient[-1:].double())
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # such as of weights that are no parameters, and keep their dtype
        raise RuntimeError(f"it does not run in float64, in which it is checked: {error}") from error
    limit = LIMIT_TF32 if dtype == "float32" and x.is_cuda and _tf32() else LIMITS[dtype]
    largest = max((float(tensor.norm()) for what, tensor in expected.items() if what != _OUTPUT), default=0.0)
    for what, theirs in expected.items():
        check_output(found[what], theirs, limit, what, 0.0 if what == _OUTPUT else SMALL_GRADIENT * largest)


def _in_double(x: Tensor) -> Tensor:
    return x.double() if x.is_floating_point() else x


def checkable(variant: Variant, w: Workload, device: str) -> Workload:
    """`w`, or the largest of its halved token grids at which the float64 reference fits in memory."""
    free = free_bytes(device)
    copies = _TRAINING_COPIES if variant.mode == "train" else 1
    one = w._replace(batch=1)
    while free is not None and one.height * one.width > 1:
        needed = copies * least_bytes(variant.spec.ops(one, "eager"), DTYPE_BYTES["float64"])
        if needed <= _SHARE_OF_FREE_MEMORY * free:
            break
        one = one._replace(height=max(1, one.height // 2), width=max(1, one.width // 2))
    return one._replace(batch=w.batch)


def check_output(found: Tensor, expected: Tensor, limit: float, what: str = "the output", least: float = 0.0) -> None:
    """Raise unless ||found - expected|| <= limit * max(||expected||, least).

    Raises:
        WrongOutputError: otherwise, and for any value that is not finite.
    """
    error = (found.double() - expected).norm() / expected.norm().clamp_min(max(least, 1e-30))
    if not error <= limit:
        raise WrongOutputError(
            f"{what} differs from the float64 reference by {error:.1e}: expected at most {limit:.0e}"
        )


def _computed(function: Callable[[Tensor], Tensor], module: nn.Module, x: Tensor, gradient: Tensor) -> Results:
    with torch.no_grad():
        return {_OUTPUT: function(x)[-1:]}


def _trained(function: Callable[[Tensor], Tensor], module: nn.Module, x: Tensor, gradient: Tensor) -> Results:
    leaf = x.clone().requires_grad_(x.is_floating_point())
    module.zero_grad(set_to_none=True)
    output = function(leaf)
    output.backward(gradient)
    results = {_OUTPUT: output[-1:].detach()}
    if leaf.grad is not None:
        results["the gradient of the input"] = leaf.grad[-1:]
    for name, parameter in module.named_parameters():
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        results[f"the gradient of {name}"] = found
    module.zero_grad(set_to_none=True)
    return results


def _tf32() -> bool:
    return torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
