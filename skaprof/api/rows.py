"""What questions of several rows answer with: a sequence of records, and what there is to say of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from skaprof.errors import needing
from skaprof.records import Record

if TYPE_CHECKING:
    import pandas as pd


R = TypeVar("R", bound=Record)


class Rows(Sequence[R], Generic[R]):
    """The rows of an answer, which cannot be changed, and `notes`: what the terminal says on stderr beside them."""

    def __init__(self, rows: Iterable[R], notes: Iterable[str] = ()) -> None:
        self._rows = tuple(rows)
        self.notes = tuple(notes)

    @overload
    def __getitem__(self, place: int) -> R: ...
    @overload
    def __getitem__(self, place: slice) -> Rows[R]: ...
    def __getitem__(self, place: int | slice) -> R | Rows[R]:
        return Rows(self._rows[place], self.notes) if isinstance(place, slice) else self._rows[place]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[R]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and (self._rows, self.notes) == (other._rows, other.notes)

    def __hash__(self) -> int:
        return hash((self._rows, self.notes))

    def __repr__(self) -> str:
        return f"Rows([{', '.join(map(repr, self._rows))}], notes={self.notes!r})"

    def frame(self) -> pd.DataFrame:
        """The rows as a DataFrame, a column for each key of the first row.

        Raises:
            SkaprofError: pandas is not installed (exit code 3).
        """
        with needing("frame()"):
            import pandas as pd
        return pd.DataFrame([row.as_dict() for row in self._rows])
