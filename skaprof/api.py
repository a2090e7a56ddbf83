"""The Python API: what a mixer or a backbone costs, a sweep as a DataFrame, a row's proof, and closed forms."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from os import PathLike
from types import ModuleType
from typing import TYPE_CHECKING

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Plan, SizeGrid, Variant, make_plan
from skaprof.analysis.scopes import DEPTHS, costed
from skaprof.errors import SkaprofError, bad_value, missing_package
from skaprof.grids import MAX_GRID_VALUES, parse_count, parse_grid, parse_sizes
from skaprof.model.choice import open_backbone
from skaprof.model.mixers import DEFAULT_MIXERS
from skaprof.model.network import HEADED_TASK, TASKS, Network, image_size, make_network
from skaprof.model.spec import parse_mixer
from skaprof.results import CostRow, ScopeRow
from skaprof.workload import (
    DEFAULT_DIM,
    DEFAULT_TOKENS,
    DTYPE_BYTES,
    FORMS,
    MODES,
    Workload,
    check_choice,
    nearly_squares,
)

if TYPE_CHECKING:
    import pandas as pd
    from sympy import Expr

    from skaprof.answers import SwapRow
    from skaprof.count import Verification
    from skaprof.count.user import UserCount
    from skaprof.foreign_code import UserModule

Sizes = int | str | Iterable[int]
"""One size, a grid as text (`"64:1024:64"`), or an iterable of sizes."""
Grid = str | tuple[int, int] | Iterable[tuple[int, int]]
"""One (height, width), several, or text (`"14x20,7x7"`)."""
Words = str | Iterable[str]
_PAIR = "a pair (height, width)"
_SIDE_OR_PAIR = f"a side in pixels, or {_PAIR}"


def cost(
    mixer: str,
    *,
    tokens: int | None = None,
    size: tuple[int, int] | None = None,
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

    Args:
        mixer: a spec such as "mhsa", "ska:query=false" or "cska:kernel_size=5".
        tokens: n, meaning the most nearly square grid; or `size`: (height, width). 196 where neither is given.
        dim: channels d.
        heads, head_dim: given both, their product may differ from dim; given none, head_dim is 32 where that divides
            dim, else the largest divisor of dim up to 32.
        kernel_size: for mixers that have a kernel; odd.
        dtype: "float32", "float16", "bfloat16" or "float64": sets the bytes.
        mode: "forward", or "train" for forward and backward with respect to input and parameters.
        implementation: "eager", or "sdpa" for the form through scaled_dot_product_attention.

    Raises:
        SkaprofError: a value that is not valid or sizes that do not fit.
    """
    return cost_row(*_one(mixer, tokens, size, dim, batch, heads, head_dim, kernel_size, dtype, mode, implementation))


def verify(
    mixer: str,
    *,
    tokens: int | None = None,
    size: tuple[int, int] | None = None,
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

    Raises:
        SkaprofError: as `cost`; also where torch or fvcore is not installed.
    """
    row = _one(mixer, tokens, size, dim, batch, heads, head_dim, kernel_size, dtype, mode, implementation)
    return load_verify()(*row)


def model_cost(
    name: str | PathLike[str],
    mixers: Words | None = None,
    *,
    resolution: int | tuple[int, int] | None = None,
    task: str = HEADED_TASK,
    depth: str = "stage",
    batch: int = 1,
    dtype: str = "float32",
    mode: str = "forward",
    implementation: str = "eager",
) -> list[ScopeRow]:
    """What a whole backbone costs with these mixers: a row for each stage or block, or one for all of it.

    Args:
        name: "caformer_s18", "caformer_s18[stage3=ska]" or the path of a TOML file.
        mixers: a spec for each stage, or one for all, as text with commas or an iterable; the backbone's own if None.
        resolution: image side, or (height, width), in pixels; the task's where None.
        task: "classification", or "detection" (800 x 1280) or "segmentation" (512 x 2048), which have no head.
        depth: "block", "stage" or "total".
        batch, dtype, mode, implementation: as `cost` has them; a mixer without the implementation runs in eager form.

    Raises:
        SkaprofError: a value that is not valid or sizes that do not fit.
    """
    check_choice("depth", depth, DEPTHS)
    network = _network(name, mixers, resolution, task, batch, implementation)
    return costed(network, *_dtype_and_mode(dtype, mode)).rows(depth)


def verify_model(
    name: str | PathLike[str],
    mixers: Words | None = None,
    *,
    resolution: int | tuple[int, int] | None = None,
    task: str = HEADED_TASK,
    batch: int = 1,
    dtype: str = "float32",
    mode: str = "forward",
    implementation: str = "eager",
) -> Verification:
    """The proof of `model_cost` with the same arguments: the built network, fvcore and FlopCounterMode, op by op.

    Raises:
        SkaprofError: as `model_cost`; also where torch or fvcore is not installed.
    """
    network = _network(name, mixers, resolution, task, batch, implementation)
    return load_verify_network()(network, *_dtype_and_mode(dtype, mode))


def sweep(
    mixers: Words = DEFAULT_MIXERS,
    *,
    tokens: Sizes | None = None,
    size: Grid | None = None,
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

    Arguments are those of `cost`, each also a grid as text or an iterable. Columns are the keys of `CostRow`; figures
    are exact: int64, or Python integers where int64 could overflow.

    Raises:
        SkaprofError: as `cost`; also a sweep that is too large to hold, with its size.
    """
    try:
        from skaprof.analysis.columns import sweep_frame
    except ModuleNotFoundError as error:
        raise missing_package(str(error.name), "skaprof.sweep") from None
    grid = SizeGrid(
        _sizes("batch", batch),
        _sides(tokens, size),
        _sizes("dim", dim),
        () if heads is None else _sizes("heads", heads),
        () if head_dim is None else _sizes("head_dim", head_dim),
        () if kernel_size is None else _sizes("kernel_size", kernel_size),
    )
    plan = make_plan(
        [parse_mixer(text, "mixers") for text in _words("mixers", mixers)],
        grid,
        _choices("implementation", implementation, FORMS),
        _choices("mode", mode, MODES),
        _choices("dtype", dtype, tuple(DTYPE_BYTES)),
    )
    return sweep_frame(plan)


def formula(mixer: str, *, implementation: str = "eager", mode: str = "forward") -> dict[str, Expr]:
    """The closed form of each quantity as a sympy expression, in the symbols of `skaprof.analysis.symbolic.SYMBOLS`.

    Raises:
        SkaprofError: an unknown mixer, implementation or mode.
    """
    try:
        from skaprof.analysis.symbolic import formulas
    except ModuleNotFoundError as error:
        raise missing_package(str(error.name), "skaprof.formula") from None
    form = check_choice("implementation", implementation, FORMS)
    return formulas(parse_mixer(mixer), form, check_choice("mode", mode, MODES))


def load_verify() -> Callable[[Variant, Workload], Verification]:
    """`skaprof.count.verify`, loaded now.

    Raises:
        SkaprofError: torch or fvcore is not installed here (exit code 3).
    """
    verify_row: Callable[[Variant, Workload], Verification] = _load_count().verify
    return verify_row


def load_verify_network() -> Callable[[Network, str, str], Verification]:
    """`skaprof.count.verify_network`, loaded now.

    Raises:
        SkaprofError: as `load_verify`.
    """
    verify_network: Callable[[Network, str, str], Verification] = _load_count().verify_network
    return verify_network


def load_count_user() -> Callable[[UserModule, Workload, str], UserCount]:
    """`skaprof.count.user.count_user`, loaded now.

    Raises:
        SkaprofError: as `load_verify`.
    """
    _load_count()
    from skaprof.count.user import count_user

    return count_user


def load_swapped_rows() -> Callable[..., list[SwapRow]]:
    """`skaprof.count.swap.swapped_rows`, loaded now.

    Raises:
        SkaprofError: as `load_verify`.
    """
    _load_count()
    from skaprof.count.swap import swapped_rows

    return swapped_rows


def _load_count() -> ModuleType:
    try:
        from skaprof import count
    except ModuleNotFoundError as error:
        raise missing_package(str(error.name).partition(".")[0], "verification") from None
    return count


def _one(
    mixer: str,
    tokens: int | None,
    size: tuple[int, int] | None,
    dim: int,
    batch: int,
    heads: int | None,
    head_dim: int | None,
    kernel_size: int | None,
    dtype: str,
    mode: str,
    implementation: str,
) -> tuple[Variant, Workload]:
    grid = SizeGrid(
        (parse_count("batch", batch),),
        _sides(None if tokens is None else parse_count("tokens", tokens), None if size is None else [_pair(size)]),
        (parse_count("dim", dim),),
        () if heads is None else (parse_count("heads", heads),),
        () if head_dim is None else (parse_count("head_dim", head_dim),),
        () if kernel_size is None else (parse_count("kernel_size", kernel_size),),
    )
    plan: Plan = make_plan(
        [parse_mixer(mixer)],
        grid,
        [check_choice("implementation", implementation, FORMS)],
        [check_choice("mode", mode, MODES)],
        [check_choice("dtype", dtype, tuple(DTYPE_BYTES))],
    )
    row = next(plan.rows())
    return row.variant, row.workload


def _network(
    name: str | PathLike[str],
    mixers: Words | None,
    resolution: int | tuple[int, int] | None,
    task: str,
    batch: int,
    implementation: str,
) -> Network:
    if not isinstance(name, str | PathLike):
        raise bad_value("name", name, "a backbone such as 'caformer_s18' or 'caformer_s18[stage3=ska]', or a TOML file")
    texts = None if mixers is None else ",".join(_mixer_texts(mixers))
    choice = open_backbone(str(name), texts, option="name", mixers_option="mixers")
    size = image_size(choice, check_choice("task", task, tuple(TASKS)))
    if resolution is not None:
        size = _image(resolution)
    form = check_choice("implementation", implementation, FORMS)
    return make_network(choice, *size, parse_count("batch", batch), form, has_head=task == HEADED_TASK)


def _dtype_and_mode(dtype: str, mode: str) -> tuple[str, str]:
    return check_choice("dtype", dtype, tuple(DTYPE_BYTES)), check_choice("mode", mode, MODES)


def _sizes(name: str, sizes: Sizes) -> tuple[int, ...]:
    if isinstance(sizes, str):
        return parse_grid(name, sizes)
    return tuple(dict.fromkeys(parse_count(name, value) for value in _several(name, sizes)))


def _several(
    name: str, value: object, expected: str = "a size, a grid as text, or an iterable of sizes"
) -> list[object]:
    """The values of an iterable; a single value, or a zero-dimensional array, as the only one.

    Raises:
        SkaprofError: no values or too many, or bytes, which would iterate as numbers.
    """
    if isinstance(value, bytes):
        raise bad_value(name, value, expected)
    try:
        values = list(islice(iter(value), MAX_GRID_VALUES + 1))  # type: ignore[call-overload]  # or a TypeError
    except TypeError:
        values = [value]
    if not values:
        raise SkaprofError(f"{name}: no values: expected at least one")
    if len(values) > MAX_GRID_VALUES:
        raise SkaprofError(f"{name}: more than {MAX_GRID_VALUES:,} values: expected fewer")
    return values


def _sides(tokens: Sizes | None, size: Grid | None) -> tuple[tuple[int, int], ...]:
    if tokens is not None and size is not None:
        raise SkaprofError("tokens and size both name the token grid: expected one of them")
    if size is None:
        return tuple(nearly_squares(_sizes("tokens", DEFAULT_TOKENS if tokens is None else tokens)))
    if isinstance(size, str):
        return parse_sizes("size", size)
    pairs = _several("size", size, _PAIR)
    if len(pairs) == 2 and not any(isinstance(side, Iterable) for side in pairs):
        return (_pair(pairs),)
    return tuple(dict.fromkeys(map(_pair, pairs)))


def _pair(pair: object) -> tuple[int, int]:
    """(height, width) from any pair.

    Raises:
        SkaprofError: it is none.
    """
    sides = [] if isinstance(pair, str) else _several("size", pair, _PAIR)
    if len(sides) != 2:
        raise bad_value("size", pair, _PAIR)
    return parse_count("size", sides[0]), parse_count("size", sides[1])


def _image(resolution: object) -> tuple[int, int]:
    """(height, width) from a side or a pair.

    Raises:
        SkaprofError: it is neither.
    """
    sides = [] if isinstance(resolution, str) else _several("resolution", resolution, _SIDE_OR_PAIR)
    if len(sides) not in (1, 2):
        raise bad_value("resolution", resolution, _SIDE_OR_PAIR)
    return parse_count("resolution", sides[0]), parse_count("resolution", sides[-1])


def _words(name: str, words: Words) -> list[object]:
    return [words] if isinstance(words, str) else _several(name, words, "a word, or an iterable of words")


def _mixer_texts(mixers: Words) -> list[str]:
    texts = _words("mixers", mixers)
    for text in texts:
        if not isinstance(text, str):
            raise bad_value("mixers", text, "a mixer such as 'ska', or one for each stage")
    return [str(text) for text in texts]


def _choices(name: str, words: Words, choices: tuple[str, ...]) -> list[str]:
    return [check_choice(name, str(word), choices) for word in _words(name, words)]
