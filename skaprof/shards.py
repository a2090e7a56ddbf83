"""Every N-th of what there is to measure, for so many processes that know nothing of each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from skaprof.errors import bad_value

_FORM = re.compile(r"([1-9]\d{0,5}(?:,[1-9]\d{0,5})*)/([1-9]\d{0,5})", re.ASCII)
T = TypeVar("T")


class Shard(NamedTuple):
    """Some `numbers` of `every`, from 1 on: of all things every so many-th, starting at each of these numbers."""

    numbers: tuple[int, ...]
    every: int

    def __str__(self) -> str:
        return f"{','.join(map(str, self.numbers))}/{self.every}"

    @property
    def missing(self) -> Shard:
        """What it lacks of the whole."""
        return Shard(tuple(sorted(set(range(1, self.every + 1)) - set(self.numbers))), self.every)

    def of(self, things: Sequence[T], option: str, words: str) -> Sequence[T]:
        """Its share of these; `words` say what they are, in the plural.

        Raises:
            SkaprofError: there are more shards than things, so that some had nothing to do.
        """
        if self.every > len(things):
            raise bad_value(option, str(self), f"at most {len(things):,} shards: there are so many {words}")
        return [thing for place, thing in enumerate(things) if place % self.every + 1 in self.numbers]

    def place_of(self, index: int) -> int:
        """The place among all things of the one at this index of its share."""
        turns, nth = divmod(index, len(self.numbers))
        return turns * self.every + self.numbers[nth] - 1


def joined(shards: Sequence[Shard]) -> Shard | None:
    """What these are together; None where they are not shares of one whole, or there are none."""
    counts = {shard.every for shard in shards}
    numbers = {number for shard in shards for number in shard.numbers}
    return Shard(tuple(sorted(numbers)), counts.pop()) if len(counts) == 1 else None


def parse_shard(option: str, text: str | None) -> Shard | None:
    """The shard that a text such as 3/8 names, or the several of 3,7/8; None of None.

    Raises:
        SkaprofError: it names none.
    """
    if text is None:
        return None
    found = _FORM.fullmatch(text.strip())
    numbers = sorted(set(map(int, found[1].split(",")))) if found else []
    if found is None or numbers[-1] > int(found[2]):
        raise bad_value(option, text, "K/N, the K-th of N shards, such as 3/8")
    return Shard(tuple(numbers), int(found[2]))
