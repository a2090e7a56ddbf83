"""Frozen records of what was counted, the run that holds them, and the keys they carry in JSON and CSV.

The keys are the same words in every command, every format and the Python API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from skaprof.workload import Size

SCHEMA_VERSION = 1
METRICS = ("params", "macs", "flops", "elementwise_flops", "weight_bytes", "traffic_bytes")
"""The computed keys of a row, each derived from the mixer's op list."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """The cost of one mixer at one size. Counts are exact integers; bytes follow from the dtype.

    `mixer` is the spec as given; `macs` multiply-adds; `flops` = 2 * macs; `elementwise_flops` all other arithmetic;
    `weight_bytes` the parameters'; `traffic_bytes` the activations' reads and writes. heads, head_dim and kernel_size
    are None where the mixer has none.
    """

    mixer: str
    implementation: str
    mode: str
    batch: Size
    height: Size
    width: Size
    tokens: Size
    dim: Size
    heads: Size | None
    head_dim: Size | None
    kernel_size: Size | None
    dtype: str
    params: Size
    macs: Size
    flops: Size
    elementwise_flops: Size
    weight_bytes: Size
    traffic_bytes: Size

    def as_dict(self) -> dict[str, Any]:
        """The row's keys and values, in the order every format uses."""
        return {key: getattr(self, key) for key in ROW_KEYS}


ROW_KEYS = tuple(field.name for field in fields(CostRow))
SIZE_KEYS = ROW_KEYS[: ROW_KEYS.index("params")]
"""The keys that say what a row is about; the rest are figures."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one command produced: its rows, each a mapping with the same keys, and where they come from."""

    command: str
    environment: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """The envelope of the JSON format."""
        return {
            "schema_version": SCHEMA_VERSION,
            "command": self.command,
            "environment": dict(self.environment),
            "rows": list(self.rows),
        }
