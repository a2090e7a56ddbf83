"""Every N-th of what there is to measure, for so many processes that know nothing of each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from skaprof.errors import bad_value

_FORM = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})", re.ASCII)
T = TypeVar("T")


class Shard(NamedTuple):
    """`number` of `every`, both from 1 on: of all things every so many-th, starting at that number."""

    number: int
    every: int

    def __str__(self) -> str:
        return f"{self.number}/{self.every}"

    def of(self, things: Sequence[T], option: str, words: str) -> Sequence[T]:
        """Its share of these; `words` say what they are, in the plural.

        Raises:
            SkaprofError: there are more shards than things, so that some had nothing to do.
        """
        if self.every > len(things):
            raise bad_value(option, str(self), f"at most {len(things):,} shards: there are so many {words}")
        return things[self.number - 1 :: self.every]

    def place_of(self, index: int) -> int:
        """The place among all things of the one at this index of its share."""
        return index * self.every + self.number - 1


def parse_shard(option: str, text: str | None) -> Shard | None:
    """The shard that a text such as 3/8 names; None of None.

    Raises:
        SkaprofError: it names none.
    """
    if text is None:
        return None
    found = _FORM.fullmatch(text.strip())
    if found is None or int(found[1]) > int(found[2]):
        raise bad_value(option, text, "K/N, the K-th of N shards, such as 3/8")
    return Shard(int(found[1]), int(found[2]))
