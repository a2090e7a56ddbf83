"""What arguments mean: sizes in every spelling, words, mixers and backbones, each checked under its own name."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from os import PathLike

from skaprof.analysis.plan import Plan, SizeGrid, Variant, make_plan
from skaprof.errors import SkaprofError, bad_value, named
from skaprof.grids import MAX_GRID_VALUES, parse_count, parse_grid, parse_sizes
from skaprof.model.choice import open_backbone
from skaprof.model.network import HEADED_TASK, TASKS, Network, image_size, make_network
from skaprof.model.spec import parse_mixer
from skaprof.workload import (
    DEFAULT_TOKENS,
    DTYPE_BYTES,
    FORMS,
    MODES,
    Workload,
    check_choice,
    nearly_squares,
    require_odd_kernel,
)

Sizes = int | str | Iterable[int]
"""One size, a grid as text (`"64:1024:64"`), or an iterable of sizes."""
Grid = str | tuple[int, int] | Iterable[tuple[int, int]]
"""One (height, width), several, or text (`"14x20,7x7"`)."""
Words = str | Iterable[str]
"""One word, or an iterable of words."""
Path = str | PathLike[str]
_PAIR = "a pair (height, width)"
_SIDE_OR_PAIR = f"a side in pixels, or {_PAIR}"


def one_row(
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
    *,
    class_token: bool = False,
) -> tuple[Variant, Workload]:
    """The one row that these arguments of `cost` mean.

    Raises:
        SkaprofError: a value that is not valid.
    """
    grid = SizeGrid(
        (parse_count(named("batch"), batch),),
        sides_of(
            None if tokens is None else parse_count(named("tokens"), tokens), None if size is None else [pair_of(size)]
        ),
        (parse_count(named("dim"), dim),),
        () if heads is None else (parse_count(named("heads"), heads),),
        () if head_dim is None else (parse_count(named("head_dim"), head_dim),),
        () if kernel_size is None else (parse_count(named("kernel_size"), kernel_size),),
        int(class_token),
    )
    plan: Plan = make_plan(
        [parse_mixer(mixer, named("mixer"))],
        grid,
        [check_choice(named("implementation"), implementation, FORMS)],
        [check_choice(named("mode"), mode, MODES)],
        [check_choice(named("dtype"), dtype, tuple(DTYPE_BYTES))],
    )
    row = next(plan.rows())
    return row.variant, row.workload


def plan_of(
    mixer: Words,
    tokens: Sizes | None,
    size: Grid | None,
    dim: Sizes,
    batch: Sizes,
    heads: Sizes | None,
    head_dim: Sizes | None,
    kernel_size: Sizes | None,
    dtype: Words,
    mode: Words,
    implementation: Words,
    *,
    class_token: bool = False,
    name: str = "mixer",
) -> Plan:
    """Every row of the mixers over the product of the sizes; `name` is what the mixers' argument is called.

    Raises:
        SkaprofError: a value that is not valid, or sizes that do not fit.
    """
    grid = SizeGrid(
        sizes_of("batch", batch),
        sides_of(tokens, size),
        sizes_of("dim", dim),
        () if heads is None else sizes_of("heads", heads),
        () if head_dim is None else sizes_of("head_dim", head_dim),
        () if kernel_size is None else sizes_of("kernel_size", kernel_size),
        int(class_token),
    )
    for size_of_kernel in grid.kernel_sizes:
        require_odd_kernel(size_of_kernel, named("kernel_size"))
    return make_plan(
        [parse_mixer(text, named(name)) for text in words_of(name, mixer)],
        grid,
        choices_of("implementation", implementation, FORMS),
        choices_of("mode", mode, MODES),
        choices_of("dtype", dtype, tuple(DTYPE_BYTES)),
    )


def one_network(
    name: Path,
    mixers: Words | None,
    resolution: int | tuple[int, int] | None,
    task: str,
    batch: int,
    implementation: str,
) -> Network:
    """The network that these arguments of `model_cost` mean.

    Raises:
        SkaprofError: a value that is not valid.
    """
    if not isinstance(name, str | PathLike):
        raise bad_value(
            named("name"), name, "a backbone such as 'caformer_s18' or 'caformer_s18[stage3=ska]', or a TOML file"
        )
    texts = None if mixers is None else ",".join(mixer_texts(mixers))
    choice = open_backbone(str(name), texts, option=named("name"), mixers_option=named("mixers"))
    size = image_size(choice, check_choice(named("task"), task, tuple(TASKS)))
    if resolution is not None:
        size = image_of(resolution)
    form = check_choice(named("implementation"), implementation, FORMS)
    return make_network(
        choice,
        *size,
        parse_count(named("batch"), batch),
        form,
        has_head=task == HEADED_TASK,
        option=named("resolution"),
    )


def dtype_and_mode(dtype: str, mode: str) -> tuple[str, str]:
    """Both, checked.

    Raises:
        SkaprofError: a value that is not valid.
    """
    return check_choice(named("dtype"), dtype, tuple(DTYPE_BYTES)), check_choice(named("mode"), mode, MODES)


def sizes_of(name: str, sizes: Sizes) -> tuple[int, ...]:
    """The sizes of one argument, each once.

    Raises:
        SkaprofError: a value that is not valid.
    """
    if isinstance(sizes, str):
        return parse_grid(named(name), sizes)
    return tuple(dict.fromkeys(parse_count(named(name), value) for value in several(name, sizes)))


def several(
    name: str, value: object, expected: str = "a size, a grid as text, or an iterable of sizes"
) -> list[object]:
    """The values of an iterable; a single value, or a zero-dimensional array, as the only one.

    Raises:
        SkaprofError: no values or too many, or bytes, which would iterate as numbers.
    """
    if isinstance(value, bytes):
        raise bad_value(named(name), value, expected)
    try:
        values = list(islice(iter(value), MAX_GRID_VALUES + 1))  # type: ignore[call-overload]  # or a TypeError
    except TypeError:
        values = [value]
    if not values:
        raise SkaprofError(f"{named(name)}: no values: expected at least one")
    if len(values) > MAX_GRID_VALUES:
        raise SkaprofError(f"{named(name)}: more than {MAX_GRID_VALUES:,} values: expected fewer")
    return values


def sides_of(tokens: Sizes | None, size: Grid | None) -> tuple[tuple[int, int], ...]:
    """The (height, width) of each token grid; 14 x 14 where neither is given.

    Raises:
        SkaprofError: a value that is not valid.
    """
    if tokens is not None and size is not None:
        raise SkaprofError(f"{named('tokens')} and {named('size')} both name the token grid: expected one of them")
    if size is None:
        return tuple(nearly_squares(sizes_of("tokens", DEFAULT_TOKENS if tokens is None else tokens)))
    if isinstance(size, str):
        return parse_sizes(named("size"), size)
    pairs = several("size", size, _PAIR)
    if len(pairs) == 2 and not any(isinstance(side, Iterable) for side in pairs):
        return (pair_of(pairs),)
    return tuple(dict.fromkeys(map(pair_of, pairs)))


def pair_of(pair: object) -> tuple[int, int]:
    """(height, width) from any pair.

    Raises:
        SkaprofError: it is none.
    """
    sides = [] if isinstance(pair, str) else several("size", pair, _PAIR)
    if len(sides) != 2:
        raise bad_value(named("size"), pair, _PAIR)
    return parse_count(named("size"), sides[0]), parse_count(named("size"), sides[1])


def image_of(resolution: object) -> tuple[int, int]:
    """(height, width) from a side or a pair.

    Raises:
        SkaprofError: it is neither.
    """
    sides = [] if isinstance(resolution, str) else several("resolution", resolution, _SIDE_OR_PAIR)
    if len(sides) not in (1, 2):
        raise bad_value(named("resolution"), resolution, _SIDE_OR_PAIR)
    return parse_count(named("resolution"), sides[0]), parse_count(named("resolution"), sides[-1])


def words_of(name: str, words: Words) -> list[object]:
    """The words of one argument.

    Raises:
        SkaprofError: a value that is not valid.
    """
    return [words] if isinstance(words, str) else several(name, words, "a word, or an iterable of words")


def mixer_texts(mixers: Words, name: str = "mixers") -> list[str]:
    """The mixers of one argument, each of them text.

    Raises:
        SkaprofError: a value that is not valid.
    """
    texts = words_of(name, mixers)
    for text in texts:
        if not isinstance(text, str):
            raise bad_value(named(name), text, "a mixer such as 'ska', or one for each stage")
    return [str(text) for text in texts]


def choices_of(name: str, words: Words, choices: tuple[str, ...]) -> list[str]:
    """The words of one argument, each one of `choices`.

    Raises:
        SkaprofError: a value that is not valid.
    """
    return [check_choice(named(name), str(word), choices) for word in words_of(name, words)]
