"""What a mixer costs, its proof, costs over many sizes, and closed forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skaprof.analysis.costs import cost_row
from skaprof.api.arguments import Grid, Sizes, Words, one_row, plan_of
from skaprof.api.loading import load_verify
from skaprof.errors import named, needing
from skaprof.model.mixers import DEFAULT_MIXERS
from skaprof.model.spec import parse_mixer
from skaprof.results import CostRow
from skaprof.workload import DEFAULT_DIM, FORMS, MODES, check_choice

if TYPE_CHECKING:
    import pandas as pd
    from sympy import Expr

    from skaprof.count.verification import Verification


def cost(
    mixer: str,
    *,
    tokens: int | None = None,
    size: tuple[int, int] | None = None,
    class_token: bool = False,
    dim: int = DEFAULT_DIM,
    batch: int = 1,
    heads: int | None = None,
    head_dim: int | None = None,
    kernel_size: int | None = None,
    dtype: str = "float32",
    mode: str = "forward",
    implementation: str = "eager",
) -> CostRow:
    """Parameters, MACs, FLOPs, elementwise FLOPs and bytes of one mixer at one size, from its closed forms.

    >>> skaprof.cost("ska", tokens=196, dim=256).macs
    58204160

    Args:
        mixer: a spec such as "mhsa", "ska:query=false" or "cska:kernel_size=5".
        tokens: n, meaning the most nearly square grid; or `size`: (height, width). 196 where neither is given.
        class_token: one token more, beside the grid, as in a ViT: mhsa, ska, linear and identity, and eager cska.
        dim: channels d.
        heads, head_dim: given both, their product may differ from dim; given none, head_dim is 32 where that divides
            dim, else the largest divisor of dim up to 32.
        kernel_size: for mixers that have a kernel; odd.
        dtype: "float32", "float16", "bfloat16" or "float64": sets the bytes.
        mode: "forward", or "train" for forward and backward with respect to input and parameters.
        implementation: "eager"; "sdpa" for the form through scaled_dot_product_attention; "tiled" for the one that
            computes some rows of queries at a time; "triton" for Triton's kernels (ska and cska).

    Raises:
        SkaprofError: a value that is not valid or sizes that do not fit.
    """
    forms = (dtype, mode, implementation)
    return cost_row(
        *one_row(mixer, tokens, size, dim, batch, heads, head_dim, kernel_size, *forms, class_token=class_token)
    )


def verify(
    mixer: str,
    *,
    tokens: int | None = None,
    size: tuple[int, int] | None = None,
    class_token: bool = False,
    dim: int = DEFAULT_DIM,
    batch: int = 1,
    heads: int | None = None,
    head_dim: int | None = None,
    kernel_size: int | None = None,
    dtype: str = "float32",
    mode: str = "forward",
    implementation: str = "eager",
) -> Verification:
    """The proof of `cost` with the same arguments: the built module, fvcore and FlopCounterMode, op by op.

    >>> skaprof.verify("ska", tokens=16, dim=64).verified
    True

    Raises:
        SkaprofError: as `cost`; also where torch or fvcore is not installed.
    """
    forms = (dtype, mode, implementation)
    row = one_row(mixer, tokens, size, dim, batch, heads, head_dim, kernel_size, *forms, class_token=class_token)
    return load_verify()(*row)


def sweep(
    mixers: Words = DEFAULT_MIXERS,
    *,
    tokens: Sizes | None = None,
    size: Grid | None = None,
    class_token: bool = False,
    dim: Sizes = DEFAULT_DIM,
    batch: Sizes = 1,
    heads: Sizes | None = None,
    head_dim: Sizes | None = None,
    kernel_size: Sizes | None = None,
    dtype: Words = "float32",
    mode: Words = "forward",
    implementation: Words = "eager",
) -> pd.DataFrame:
    """The costs of all mixers over the product of all sizes, one row each, the mixers side by side at each size.

    >>> frame = skaprof.sweep(["mhsa", "ska"], tokens="49:196:*2", dim=256)
    >>> frame.groupby("mixer").macs.max().to_dict()
    {'mhsa': 71049216, 'ska': 58204160}

    Arguments are those of `cost`, each also a grid as text or an iterable. Columns are the keys of `CostRow`; figures
    are exact: int64, or Python integers where int64 could overflow.

    Raises:
        SkaprofError: as `cost`; also a sweep that is too large to hold, with its size.
    """
    with needing("skaprof.sweep"):
        from skaprof.analysis.columns import sweep_frame
    sizes = (tokens, size, dim, batch, heads, head_dim, kernel_size)
    forms = (dtype, mode, implementation)
    return sweep_frame(plan_of(mixers, *sizes, *forms, class_token=class_token, name="mixers"))


def formula(mixer: str, *, implementation: str = "eager", mode: str = "forward") -> dict[str, Expr]:
    """The closed form of each quantity as a sympy expression, in the symbols of `skaprof.analysis.symbolic.SYMBOLS`.

    >>> skaprof.formula("ska")["macs"]
    3*B*d**2*n + 2*B*d*n**2

    Raises:
        SkaprofError: an unknown mixer, implementation or mode.
    """
    with needing("skaprof.formula"):
        from skaprof.analysis.symbolic import formulas
    form = check_choice(named("implementation"), implementation, FORMS)
    return formulas(parse_mixer(mixer, named("mixer")), form, check_choice(named("mode"), mode, MODES))
