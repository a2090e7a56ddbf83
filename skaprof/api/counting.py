"""What counters say: of each mixer in every spelling, and of any model before and after a swap. Both need torch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from skaprof.analysis.audit_cases import chosen_spellings
from skaprof.analysis.planned_rows import require_one_size
from skaprof.answers import AbsentCounter, AuditRow, SwapRow
from skaprof.api.arguments import Grid, Words, pair_of, plan_of, several, words_of
from skaprof.api.loading import load_count_model, load_swapped_rows
from skaprof.api.rows import Rows
from skaprof.counters import chosen_counters
from skaprof.errors import bad_value, in_python, named, require_package
from skaprof.foreign_code import MAP_LAYOUTS, parse_arguments
from skaprof.foreign_model import KEEP, UserModel, user_model
from skaprof.grids import parse_count
from skaprof.model.mixers import DEFAULT_MIXERS
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.own_rows import PartRow
from skaprof.workload import DEFAULT_DIM, MODES, check_choice


def audit(
    mixer: Words = DEFAULT_MIXERS,
    *,
    tokens: int | None = None,
    size: Grid | None = None,
    dim: int = DEFAULT_DIM,
    batch: int = 1,
    heads: int | None = None,
    head_dim: int | None = None,
    kernel_size: int | None = None,
    counter: Words | None = None,
    spelling: Words | None = None,
) -> Rows[AuditRow | AbsentCounter]:
    """What other FLOP counters capture of each mixer, in each way to write it in PyTorch, at one size.

    Each counter runs in a process of its own; one that crashes is a row.

    >>> rows = skaprof.audit("ska", tokens=16, dim=32, counter="torch", spelling=("@", "sdpa"))
    >>> [(row.spelling, row.mode, row.captured) for row in rows]
    [('@', 'forward', 1.0), ('@', 'train', 1.0), ('sdpa', 'forward', 0.75)]

    Args:
        mixer, tokens, size, dim, batch, heads, head_dim, kernel_size: as `sweep` has them, one value each.
        counter: "fvcore", "torch" or another that `skaprof audit --help` names; all that are installed where None.
        spelling: how each mixer is written, "@" or another of that help; all that it has where None.

    Returns:
        A row for each mixer, spelling and counter, and for its training where the counter counts that: `macs_counted`
        in MACs, `captured`, the share of the closed form's, `conventions`, what explains it, and `seconds` of a count;
        one without a mixer for a counter that is not installed.

    Raises:
        SkaprofError: a value that is not valid, several sizes, or a counter or torch that is not installed.
    """
    names = None if counter is None else map(str, words_of("counter", counter))
    present, absent = chosen_counters(names)
    sizes = (tokens, size, dim, batch, heads, head_dim, kernel_size)
    plan = plan_of(mixer, *sizes, "float32", "forward", "eager")
    require_one_size(plan)
    spellings = () if spelling is None else chosen_spellings(map(str, words_of("spelling", spelling)))
    require_package("torch", "skaprof.audit")
    from skaprof.count.audit import absent_row, audited

    return Rows([*audited(plan, present, spellings), *map(absent_row, absent)])


def swap(
    model: str,
    replace: Mapping[str, str],
    *,
    arg: Mapping[str, object] | None = None,
    shape: tuple[int, ...] | Sequence[tuple[int, ...]] | None = None,
    inputs: str | None = None,
    size: tuple[int, int] | None = None,
    input: str | None = None,
    input_dtype: Words = (),
    skip_unsupported: bool = False,
) -> Rows[SwapRow]:
    """Parameters and MACs of any model before and after its attention (or other submodules) is another mixer.

    An example input tells each mixer its tokens, grid and dim. Both counters count the model before and after; an op
    that a counter does not know is named, and never counted as 0. To change a model that you have, see
    `skaprof.nn.swap_mixers`.

    >>> rows = skaprof.swap("torch.nn:TransformerEncoderLayer", {"self_attn": "ska"}, shape=(1, 16, 32),
    ...                     arg={"d_model": 32, "nhead": 2, "batch_first": True})
    >>> rows[0].scope, rows[0].verified, rows[-1].macs_delta
    ('self_attn', True, -16384)

    Args:
        model: "package.module:NAME" of what gives a torch.nn.Module.
        replace: from a pattern (a name such as "blocks.*.attn", its end, or a class) to a mixer spec.
        arg: what NAME is called with.
        shape: of the model's input, the batch first, or one for each; (1, 3, 224, 224) where None.
        inputs: "FILE.py:NAME" of a function that gives what the model is called with: a tensor, a tuple of arguments,
            or a dict of keywords.
        size: (height, width) of the tokens, where they are no square.
        input: "BHWC" or "BCHW", how a submodule's four-dimensional input lies, where its layers do not tell.
        input_dtype: "float32", or "int64" for token ids; one for all inputs, or one for each.
        skip_unsupported: leave what no mixer can stand for as it is; the last row's `skipped` says why.

    Returns:
        A row for each submodule that is replaced, then one for the whole model: parameters and MACs before, after, and
        the change; None where there is no count.

    Warns:
        UserWarning: a submodule that a pattern matches does not run on the input, and stays.

    Raises:
        SkaprofError: a value that is not valid; a model that fails to import, build or run, with its own error; a
            submodule that no mixer can stand for; or torch or fvcore is not installed.
    """
    pairs = _replacements(replace)
    user = _user_model(model, arg, shape, inputs, input_dtype)
    hints = {
        "grid": None if size is None else pair_of(size),
        "layout": None if input is None else check_choice(named("input"), input, MAP_LAYOUTS),
        "skips": skip_unsupported,
    }
    rows = load_swapped_rows()(user, pairs, _warn, **hints)
    return Rows(rows)


def model_parts(
    model: str,
    *,
    arg: Mapping[str, object] | None = None,
    shape: tuple[int, ...] | Sequence[tuple[int, ...]] | None = None,
    inputs: str | None = None,
    input_dtype: Words = (),
    dtype: str | None = None,
    mode: str = "forward",
    depth: int = 2,
) -> Rows[PartRow]:
    """What a model of yours is made of: parameters, exact MACs, and the memory of each part.

    >>> rows = skaprof.model_parts("torch.nn:TransformerEncoderLayer", shape=(1, 16, 32), depth=1,
    ...                            arg={"d_model": 32, "nhead": 2, "dim_feedforward": 64, "batch_first": True})
    >>> [(row.scope, row.macs) for row in rows if row.macs]
    [('self_attn', 81920), ('linear1', 32768), ('linear2', 32768), ('', 147456)]

    Args:
        model: "FILE.py:NAME" or "package.module:NAME" of what gives a torch.nn.Module; `arg` is what it is called with.
        shape, inputs, input_dtype: what the model is called with, as `swap` has them.
        dtype: what its floating-point parameters are cast to; they stay as they are built where None.
        mode: "forward", or "train": in training mode, forward and backward.
        depth: how many names in the path of a part, at most.

    Returns:
        A row for each part, then the whole model's, whose scope is empty; counts that are not known are None, and
        `error` says why.

    Raises:
        SkaprofError: a value that is not valid; a model that fails to import, build or run, with its own error; or
            torch or fvcore is not installed.
    """
    user = _user_model(model, arg, shape, inputs, input_dtype, dtype)
    check_choice(named("mode"), mode, MODES)
    count_model, _ = load_count_model()
    return Rows(count_model(user, mode, named("model")).rows(parse_count(named("depth"), depth)))


def _user_model(
    model: object,
    arg: Mapping[str, object] | None,
    shape: object,
    inputs: str | None,
    input_dtype: Words,
    dtype: str | None = None,
) -> UserModel:
    typed = [f"{name}={value if isinstance(value, str) else repr(value)}" for name, value in (arg or {}).items()]
    dtypes = tuple(map(str, words_of("input_dtype", input_dtype))) if input_dtype else ()
    arguments = parse_arguments(named("arg"), typed)
    return user_model(str(model), arguments, _shapes(shape), dtypes, inputs, dtype or KEEP)


def _shapes(shape: object) -> tuple[tuple[int, ...], ...]:
    if shape is None:
        return ()
    sides = several("shape", shape, "a tuple of sizes")
    each = (
        [several("shape", one, "a tuple of sizes") for one in sides] if isinstance(sides[0], tuple | list) else [sides]
    )
    return tuple(tuple(parse_count(named("shape"), side) for side in one) for one in each)


def _replacements(replace: object) -> list[tuple[str, MixerSpec]]:
    if not isinstance(replace, Mapping) or not replace or not all(isinstance(key, str) and key for key in replace):
        raise bad_value(named("replace"), replace, "a mapping from patterns to mixers, such as {'attn': 'ska'}")
    return [(pattern, parse_mixer(spec, named("replace"))) for pattern, spec in replace.items()]


def _warn(message: str) -> None:
    warnings.warn(in_python(message), stacklevel=6)
