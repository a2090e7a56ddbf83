"""Compiles every Triton kernel for a GPU that need not be here, and prints which kind of matrix product each has.

python tests/triton_compiled.py COMPUTE_CAPABILITY, without TRITON_INTERPRET.
"""

from __future__ import annotations

import sys
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from skaprof.nn.triton_backward import key_gradient_kernel, query_gradient_kernel, score_gradient_kernel
from skaprof.nn.triton_forward import forward_kernel

SUMS = ("statistics", "value_gradient", "key_gradient", "bias_gradient", "query_gradient")
TENSORS = (*SUMS, "query", "key", "bias", "value", "output", "gradient", "score_gradient")
CONSTANTS = {"kernel_size": 3, "head_dim": 32, "block_e": 32, "has_bias": True, "precision": "ieee"}
BLOCKS = {"block_m": 64, "block_n": 64}
PRODUCTS = ("wgmma.mma", "mma.sync")


def compiled(kernel: Any, capability: int) -> str:
    """Its PTX, of bfloat16 tensors."""
    signature: dict[str, str] = {}
    constants: dict[tuple[int], object] = {}
    for place, name in enumerate(kernel.arg_names):
        if name in CONSTANTS or name in BLOCKS:
            signature[name] = "constexpr"
            constants[place,] = (CONSTANTS | BLOCKS)[name]
        elif name in TENSORS:
            signature[name] = "*fp32" if name in SUMS else "*bf16"
        else:
            signature[name] = "fp32" if name in ("factor", "scale") else "i32"
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    text: str = triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm["ptx"]
    return text


if __name__ == "__main__":
    for each in (forward_kernel, score_gradient_kernel, key_gradient_kernel, query_gradient_kernel):
        found = compiled(each, int(sys.argv[1]))
        sys.stdout.write(" ".join((each.fn.__name__, *(name for name in PRODUCTS if name in found))) + "\n")
