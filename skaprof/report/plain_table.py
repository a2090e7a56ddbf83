"""The table as all commands draw theirs: columns that know which figure they show, so that some may be picked, and
that have a rank, so that a narrow terminal does without the last."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from skaprof.errors import printable
from skaprof.records import Record
from skaprof.report.numbers import significant
from skaprof.workload import check_choice

LEAST_NEEDED = (
    "samples_ms",
    "bar",
    "tflops",
    "elementwise_flops_ratio",
    "elementwise_flops",
    "mixer_traffic_bytes_share",
    "mixer_macs_share",
    "images_per_s",
    "weight_bytes",
    "params_counted",
    "heads",
    "formula",
    "reason",
    "old_low",
    "new_low",
    "baseline_ms",
    "measured_ms",
    "baseline",
    "flops",
    "height",
    "traffic_bytes_ratio",
    "traffic_bytes_share",
    "saved_bytes_share",
    "peak_bytes_share",
    "output_shape",
    "macs_torch",
    "macs_fvcore",
    "dim",
    "saved_bytes",
    "peak_bytes",
    "traffic_bytes_delta",
    "faults_ms",
    "launch_ms",
    "traffic_bytes",
    "tokens",
    "params_before",
    "macs_before",
    "params_share",
    "macs_share",
    "peak_share",
    "left",
    "right",
    "replaced",
    "ci_low_ms",
    "first_win",
    "last_win",
    "kernels_ms",
    "bandwidth_ms",
    "compute_ms",
)
"""What a narrow terminal does without, the first named before the next. Columns of other keys always stay."""
NARROW = (0, 1, 0, 0)
"""The padding of tables with many columns: two blanks between them."""
_LEAST_FOLDED, _LONGEST_WORD = 12, 40
"""How narrow, in characters, a column of words may become before columns of figures go; and the longest word kept."""


class _Shown(NamedTuple):
    """The keys of a column's figures, as JSON has them; how early the column goes (0: never); whether it folds."""

    keys: tuple[str, ...]
    rank: int
    folds: bool


class PlainTable(Table):
    """A table of texts; what they may hold that no terminal should be sent is escaped.

    `records` are the rows' records, where they have one: any of its keys can be picked as a column.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, **options)
        self.shown: list[_Shown] = []
        self.records: list[Record | None] = []

    def add(
        self,
        *keys: str,
        words: str | None = None,
        number: bool = False,
        folds: bool = False,
        needed: bool = False,
        rank: int | None = None,
    ) -> None:
        """A column of these keys, under `words`.

        Args:
            number: its cells stand to the right, and are never folded.
            folds: its cells are words, and may take several lines.
            needed: it never goes, whatever its key's rank.
            rank: how early it goes, the highest first; by default that of its first key in `LEAST_NEEDED`.
        """
        if rank is None:
            rank = len(LEAST_NEEDED) - LEAST_NEEDED.index(keys[0]) if keys[0] in LEAST_NEEDED else 0
        self.shown.append(_Shown(keys, 0 if needed else rank, folds))
        self.add_column(keys[0] if words is None else words, justify="right" if number else "left", no_wrap=True)

    def add_row(self, *cells: Any, of: Record | None = None, **options: Any) -> None:
        """A row of texts, and the record that it is of."""
        super().add_row(*map(_printable, cells), **options)
        self.records.append(of)

    @property
    def keys(self) -> set[str]:
        """Of the columns."""
        return {key for shown in self.shown for key in shown.keys}

    def has(self, mark: str) -> bool:
        """Whether a cell ends in the mark."""
        cells = (cell for column in self.columns for cell in column.cells)
        return any(isinstance(cell, Text) and cell.plain.endswith(mark) for cell in cells)

    def picked(self, option: str, names: Iterable[str], keys: Container[str]) -> PlainTable:
        """The table with the columns of these keys, in this order: its own, or one of any of `keys` that its rows'
        records have.

        Raises:
            SkaprofError: there is no such key.
        """
        own = {key: place for place, shown in enumerate(self.shown) for key in shown.keys}
        values = {
            key: self._values(key) for record in self.records[:1] if record for key in record.fields if key in keys
        }
        told = [*own, *(key for key in values if any(value is not None for value in values[key]))]
        table, places = self._copy(), list[int]()
        for typed in dict.fromkeys(names):
            known = typed in own or typed in values
            name = typed if known else check_choice(option, typed, tuple(dict.fromkeys(told)))
            if name not in own:
                is_number = all(isinstance(value, int | float | None) for value in values[name])
                table.add(name, number=is_number)
                table.columns[-1]._cells = [Text(printable(_plain(value))) for value in values[name]]
                own[name] = len(table.columns) - 1
            places.append(own[name])
        return table._of(list(dict.fromkeys(places)))

    def _values(self, key: str) -> list[Any]:
        """What the rows have of a key; nothing where they have no record."""
        return [getattr(record, key, None) for record in self.records]

    def fitted(self, width: int, *, drops: bool = True) -> tuple[PlainTable, list[str]]:
        """The table in so many characters, and the names of the columns that went for it, where some may go.

        Columns of words are folded where that is not enough; figures never are, and run on instead.
        """
        kept, gone = list(range(len(self.columns))), []
        while drops and self._least_width(kept) > width and (last := self._last(kept)) is not None:
            kept.remove(last)
            gone.append(last)
        table = self._of(kept)
        table._fold(width)
        return table, [self.shown[place].keys[0] for place in sorted(gone)]

    def _last(self, kept: Sequence[int]) -> int | None:
        """Of the columns kept, the one to go first."""
        last = max(kept, key=lambda place: (self.shown[place].rank, place))
        return last if self.shown[last].rank else None

    def _least_width(self, kept: Sequence[int]) -> int:
        return sum(self._narrowest(place) for place in kept) + self._gap * (len(kept) - 1)

    @property
    def _gap(self) -> int:
        """The blanks between two columns."""
        return self.padding[1] + self.padding[3] + 1

    def _width(self, place: int) -> int:
        return max((cell_len(line) for line in self._lines(place)), default=0)

    def _narrowest(self, place: int) -> int:
        if not self.shown[place].folds:
            return self._width(place)
        longest = max((cell_len(word) for line in self._lines(place) for word in line.split()), default=0)
        return min(self._width(place), max(_LEAST_FOLDED, min(longest, _LONGEST_WORD)))

    def _lines(self, place: int) -> Iterable[str]:
        column = self.columns[place]
        for text in (column.header, *column.cells):
            yield from (text.plain if isinstance(text, Text) else str(text)).split("\n")

    def _fold(self, width: int) -> None:
        """Narrow the columns of words until the table has this width: those that fold first, then the widest."""
        places = range(len(self.columns))
        excess = sum(map(self._width, places)) + self._gap * (len(self.columns) - 1) - width
        words = [place for place in places if self.columns[place].justify == "left"]
        for place in sorted(words, key=lambda place: (not self.shown[place].folds, -self._width(place))):
            least = self._narrowest(place) if self.shown[place].folds else _LEAST_FOLDED
            cut = min(excess, self._width(place) - least)
            if cut > 0:
                column = self.columns[place]
                column.width, column.no_wrap, column.overflow = self._width(place) - cut, False, "fold"
                excess -= cut

    def _of(self, places: Sequence[int]) -> PlainTable:
        """The table with these columns alone."""
        table = self._copy()
        table.columns = [replace(self.columns[place], _index=index) for index, place in enumerate(places)]
        table.shown = [self.shown[place] for place in places]
        return table

    def _copy(self) -> PlainTable:
        table = copy(self)
        table.columns, table.shown = list(self.columns), list(self.shown)
        return table


def _printable(cell: str | Text) -> str | Text:
    return Text(printable(cell.plain), cell.style) if isinstance(cell, Text) else printable(cell)


def _plain(value: Any) -> str:
    """A figure that no column of the table has: in full, or to four digits."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return f"{value:,}" if isinstance(value, int) else significant(value) if isinstance(value, float) else str(value)
