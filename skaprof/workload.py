"""Workload: the sizes that flow through every figure skaprof computes, proves or times."""

from collections.abc import Sequence
from math import isqrt
from typing import Any, NamedTuple, TypeAlias

from skaprof.errors import bad_value, named
from skaprof.words import meant

Size: TypeAlias = Any
"""A size: an int, a numpy integer array or a sympy expression. Formulas use only + and *, so one serves all three."""

DTYPE_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
MODES = ("forward", "train")
FUSED = "sdpa"
TILED = "tiled"
TRITON = "triton"
FORMS = ("eager", FUSED, TILED, TRITON)
"""The forms that an op list is priced in: op by op; its attention group as one fused kernel, PyTorch's or Triton's; or
tile by tile."""
TRITON_MOST_HEAD_DIM = 64
"""The widest heads that Triton's kernels take: wider tiles do not fit a GPU's registers."""
USUAL_FORMS = ("eager", FUSED)
"""The forms that are looked at where nobody names any."""

SYMBOLS = {
    "B": "batch",
    "n": "tokens",
    "d": "dim",
    "a": "attention dim, heads * head_dim",
    "h": "heads",
    "e": "head_dim",
    "k": "kernel_size",
    "s": "bytes per element",
}
"""Every symbol a formula may hold, and the size it stands for."""
AXIS_SYMBOLS = {"tokens": "n", "resolution": "r", "dim": "d", "heads": "h", "kernel_size": "k"}
"""The axes along which costs may cross, and the symbol that each has in a formula; p is the patch of a resolution."""


def larger(one: Size, other: Size) -> Size:
    """The larger of two numbers, and of each pair where one is an array: `max` knows no arrays.

    Of symbols it is the first: what is largest has no closed form, and nothing else is asked of this.
    """
    if hasattr(other, "clip"):
        return other.clip(one)
    if hasattr(one, "clip"):
        return one.clip(other)
    return one if hasattr(one + other, "free_symbols") else max(one, other)


def is_fused(form: str) -> bool:
    """Whether a form never holds what is inside its attention group: one kernel runs it, or it runs tile by tile."""
    return form in (FUSED, TILED, TRITON)


_MOST_TRIAL_DIVISIONS = 200_000_000

DEFAULT_HEAD_DIM = 32
DEFAULT_TOKENS = 196
DEFAULT_DIM = 256
DEFAULT_DTYPE = "float32"


class Workload(NamedTuple):
    """The sizes of one token mixer call on an input of shape (batch, height * width, dim).

    `heads` and `head_dim` are primary: the attention dimension is their product, never `dim // heads`, so that the
    same formulas hold for symbols and arrays. They are None for mixers without heads, and `kernel_size` is None for
    mixers without a kernel. `class_tokens` stand beside the grid: they are tokens without a place on it.
    """

    batch: Size
    height: Size
    width: Size
    dim: Size
    heads: Size = None
    head_dim: Size = None
    kernel_size: Size = None
    class_tokens: Size = 0

    @property
    def positions(self) -> Size:
        """Number of places on the grid, height * width."""
        return self.height * self.width

    @property
    def tokens(self) -> Size:
        """Number of tokens n: one a position, and the class tokens."""
        return self.positions + self.class_tokens

    @property
    def attention_dim(self) -> Size:
        """Width a = heads * head_dim of the queries, keys and values of all heads together."""
        return self.heads * self.head_dim


def nearly_square(tokens: int) -> tuple[int, int]:
    """The (height, width) with height * width = tokens, height <= width and height as large as it can be."""
    height = next(side for side in range(isqrt(tokens), 0, -1) if tokens % side == 0)
    return height, tokens // height


def nearly_squares(counts: Sequence[int]) -> list[tuple[int, int]]:
    """`nearly_square` of each count; a long run of neighbours is sieved, which takes a second for a million.

    Raises:
        SkaprofError: so many large counts so far apart that it would take minutes.
    """
    first, last = min(counts), max(counts)
    if len(counts) > 1000 and last - first < 50 * len(counts):
        heights = [1] * (last - first + 1)
        for side in range(2, isqrt(last) + 1):
            start = max(side * side, -(-first // side) * side) - first
            heights[start::side] = [side] * len(range(start, len(heights), side))
        return [(heights[count - first], count // heights[count - first]) for count in counts]
    if sum(map(isqrt, counts)) > _MOST_TRIAL_DIVISIONS:
        raise bad_value(
            named("tokens"),
            f"{first}..{last}",
            f"fewer or smaller token counts, or {named('size')}, to find their grids",
        )
    return [nearly_square(count) for count in counts]


def default_head_dim(dim: int) -> int:
    """32 where that divides `dim`, else the largest divisor of `dim` up to 32."""
    return next(width for width in range(min(DEFAULT_HEAD_DIM, dim), 0, -1) if dim % width == 0)


def resolve_heads(dim: int, heads: int | None, head_dim: int | None) -> tuple[int, int]:
    """The (heads, head_dim) that the user's choices mean at this `dim`.

    Given both, their product may differ from `dim`. Given one, it must divide `dim`. Given none, head_dim is
    `default_head_dim(dim)`.

    Raises:
        SkaprofError: heads or head_dim was given alone and does not divide dim.
    """
    for name, value in (("heads", heads), ("head_dim", head_dim)):
        if value is not None and value < 1:
            raise bad_value(name, value, "a whole number of 1 or more")
    if heads is not None and head_dim is not None:
        return heads, head_dim
    if heads is not None:
        if dim % heads:
            raise bad_value("heads", heads, f"a divisor of dim {dim} (or give head_dim too)")
        return heads, dim // heads
    if head_dim is not None:
        if dim % head_dim:
            raise bad_value("head_dim", head_dim, f"a divisor of dim {dim} (or give heads too)")
        return dim // head_dim, head_dim
    head_dim = default_head_dim(dim)
    return dim // head_dim, head_dim


def require_odd_kernel(kernel_size: int, option: str = "kernel_size") -> int:
    """The kernel size, refused where it is even: only an odd kernel keeps the H x W grid with padding k // 2.

    Raises:
        SkaprofError: it is even.
    """
    if kernel_size % 2 == 0:
        raise bad_value(option, kernel_size, "an odd number (padding k // 2 must keep the H x W grid)")
    return kernel_size


def check_choice(option: str, value: object, choices: tuple[str, ...]) -> str:
    """The one of `choices` that `value` is, or means (`skaprof.words.meant`).

    Raises:
        SkaprofError: naming the option, the value, the choices and the nearest of them.
    """
    found = meant(value, choices) if isinstance(value, str) else None
    if found not in choices:
        raise bad_value(option, value, f"one of {', '.join(choices)}", choices)
    return found
