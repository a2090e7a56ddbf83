"""Grids of sizes written as text: `256`, `64,128`, `64:1024:64` (both ends in), `64:4096:*2`; `14x20` of two sides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isqrt

from skaprof.errors import SkaprofError, bad_value, named, shown
from skaprof.workload import DEFAULT_TOKENS, check_choice, nearly_square, nearly_squares

MAX_SIZE = 10**9
MAX_GRID_VALUES = 1_000_000
DEFAULT_PATCH = 16

_COUNT = re.compile(r"[0-9]+", re.ASCII)
_COUNT_EXPECTED = f"a whole number from 1 to {MAX_SIZE:,}"
_GRID_EXPECTED = "sizes such as 256, 64,128, 64:1024:64 or 64:4096:*2"
_SIZE_EXPECTED = "a side such as 14, HEIGHTxWIDTH such as 14x20 or a range of sides such as 7:28:7"


def parse_count(option: str, text: object) -> int:
    """A whole number from 1 to `MAX_SIZE`.

    Raises:
        SkaprofError: anything else, zero, negative, fractional and absurdly long numbers among it.
    """
    digits = str(text).strip() if not isinstance(text, (bool, float)) else ""
    if _COUNT.fullmatch(digits) is None or len(digits.lstrip("0")) > len(str(MAX_SIZE)):
        raise bad_value(option, text, _COUNT_EXPECTED)
    value = int(digits)
    if not 1 <= value <= MAX_SIZE:
        raise bad_value(option, text, _COUNT_EXPECTED)
    return value


def parse_grid(option: str, text: str) -> tuple[int, ...]:
    """The values of a grid, in the order written, each once.

    Raises:
        SkaprofError: an empty, backward, zero-step, endless or oversized grid, or a value that is no size.
    """
    values: list[int] = []
    for part in _split(option, text):
        values.extend(_parse_range(option, part) if ":" in part else [parse_count(option, part)])
        if len(values) > MAX_GRID_VALUES:
            raise _too_many(option, text, len(values))
    return tuple(dict.fromkeys(values))


def _split(option: str, text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise bad_value(option, text, f"{_GRID_EXPECTED}, with no empty part")
    return parts


def _parse_range(option: str, part: str) -> Sequence[int]:
    fields = [field.strip() for field in part.split(":")]
    if len(fields) not in (2, 3):
        raise bad_value(option, part, "a range START:STOP, START:STOP:STEP or START:STOP:*FACTOR")
    try:
        start, stop = (parse_count(option, field) for field in fields[:2])
    except SkaprofError:
        raise bad_value(option, part, f"a range START:STOP:STEP, each {_COUNT_EXPECTED}") from None
    step = fields[2] if len(fields) == 3 else "1"
    if stop < start:
        raise bad_value(option, part, f"a range that does not run backward: {start} is above {stop}")
    if step.startswith("*"):
        return _geometric(option, part, start, stop, step[1:])
    values = range(start, stop + 1, _parse_step(option, part, step))
    if len(values) > MAX_GRID_VALUES:
        raise _too_many(option, part, len(values))
    return values


def _parse_step(option: str, part: str, step: str) -> int:
    try:
        return parse_count(option, step)
    except SkaprofError:
        raise bad_value(option, part, f"a step of 1 or more, not {shown(step)}") from None


def _geometric(option: str, part: str, start: int, stop: int, factor_text: str) -> list[int]:
    expected = f"a factor of 2 or more, not {shown('*' + factor_text)}; a smaller one never ends"
    try:
        factor = parse_count(option, factor_text)
    except SkaprofError:
        raise bad_value(option, part, expected) from None
    if factor < 2:
        raise bad_value(option, part, expected)
    values = [start]
    while values[-1] * factor <= stop:
        values.append(values[-1] * factor)
    return values


def _too_many(option: str, text: str, count: int) -> SkaprofError:
    return bad_value(option, text, f"at most {MAX_GRID_VALUES:,} values, and this grid has {count:,}")


def parse_choices(option: str, text: str, choices: tuple[str, ...]) -> tuple[str, ...]:
    """A comma-separated choice of words, each once, in the order written.

    Raises:
        SkaprofError: a word that is not among `choices`.
    """
    return tuple(dict.fromkeys(check_choice(option, part.strip(), choices) for part in text.split(",")))


def parse_sizes(option: str, text: str) -> tuple[tuple[int, int], ...]:
    """Sizes (height, width) such as `14x20,7x7`; a single number N means N x N, and a range `7:28:7` is of such.

    Raises:
        SkaprofError: a part that is no such size, or too many of them.
    """
    sizes: list[tuple[int, int]] = []
    for part in _split(option, text):
        sizes += [(side, side) for side in _parse_range(option, part)] if ":" in part else [_parse_size(option, part)]
        if len(sizes) > MAX_GRID_VALUES:
            raise _too_many(option, text, len(sizes))
    return tuple(dict.fromkeys(sizes))


def _parse_size(option: str, part: str) -> tuple[int, int]:
    sides = part.lower().split("x")
    try:
        height, width = (parse_count(option, side) for side in (sides if len(sides) > 1 else sides * 2))
    except (SkaprofError, ValueError):
        expected = (
            f"a side such as 14, HEIGHTxWIDTH such as 14x20 or a range of sides such as 7:28:7, each {_COUNT_EXPECTED}"
        )
        raise bad_value(option, part, expected) from None
    return height, width


def size_text(height: int, width: int) -> str:
    """A size as a user writes it: a square by its side."""
    return str(height) if height == width else f"{height}x{width}"


def token_grid_sides(
    tokens: str | None, size: str | None, resolution: str | None, patch: str | None, most: int = MAX_GRID_VALUES
) -> tuple[tuple[int, int], ...]:
    """The (height, width) of each token grid that tokens, size or resolution with patch name; 14 x 14 if none.

    Raises:
        SkaprofError: more than one of them, a patch without a resolution, a patch that does not divide it, or more than
            `most` token counts (found before their grids are).
    """
    grids = {"tokens": tokens, "size": size, "resolution": resolution}
    given = [named(parameter) for parameter, value in grids.items() if value is not None]
    if len(given) > 1:
        raise SkaprofError(f"{' and '.join(given)} all name the token grid: expected one of them")
    if patch is not None and resolution is None:
        raise SkaprofError(f"{named('patch')}: {shown(patch)} needs {named('resolution')}, which is not given")
    if size is not None:
        return parse_sizes(named("size"), size)
    if resolution is not None:
        return _patched(
            parse_sizes(named("resolution"), resolution),
            parse_grid(named("patch"), str(DEFAULT_PATCH) if patch is None else patch),
        )
    counts = parse_grid(named("tokens"), tokens) if tokens is not None else (DEFAULT_TOKENS,)
    if len(counts) > most:
        raise bad_value(
            named("tokens"), tokens, f"at most {most:,} values beside the other sizes, and this has {len(counts):,}"
        )
    return tuple(nearly_squares(counts))


def class_token_notices(tokens: str | None, *, with_class_token: bool = False, offered: bool = True) -> list[str]:
    """What to know of token counts that are a square and one, 197 or 577 say, as a ViT's with its class token are.

    Of those that are written out: in a range they are sizes among others. `offered`: the command takes class tokens.
    """
    counts = [int(part) for part in (tokens or "").split(",") if part.strip().isdecimal()]
    sides = {count: isqrt(count - 1) for count in counts if count}
    told = {count: side for count, side in sides.items() if side >= _LEAST_SIDE and side * side + 1 == count}
    return [_class_token_notice(*each, with_class_token=with_class_token, offered=offered) for each in told.items()]


def _class_token_notice(count: int, side: int, *, with_class_token: bool, offered: bool) -> str:
    square = f"{side} x {side} is {named('tokens')} {side * side}"
    if with_class_token:
        return f"{named('tokens')} {count} and its {named('class_token')} make {count + 1} tokens: {square}"
    height, width = nearly_square(count)
    cure = f", and with a class token beside it {named('class_token')} too" if offered else ""
    return f"{named('tokens')} {count} is taken as a grid of {height} x {width}: {square}{cure}"


_LEAST_SIDE = 4
"""The side of a square from which on one token more looks like a class token."""


def _patched(resolutions: Sequence[tuple[int, int]], patches: Sequence[int]) -> tuple[tuple[int, int], ...]:
    sides: list[tuple[int, int]] = []
    for height, width in resolutions:
        for patch in patches:
            if height % patch or width % patch:
                raise bad_value(
                    named("resolution"), size_text(height, width), f"sides that the patch size {patch} divides"
                )
            sides.append((height // patch, width // patch))
    return tuple(dict.fromkeys(sides))


def parse_optional_grid(option: str, text: str | None) -> tuple[int, ...]:
    """The grid that `text` names, or the empty tuple where the option was not given."""
    return () if text is None else parse_grid(option, text)
