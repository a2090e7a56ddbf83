"""The frozen record of what was counted, and the keys it carries in JSON and CSV.

The keys are the same words in every command, every format and the Python API.
"""

from functools import cache
from typing import Any, NamedTuple

from skaprof.workload import Size

SCHEMA_VERSION = 1
METRICS = ("params", "macs", "flops", "elementwise_flops", "weight_bytes", "traffic_bytes")
"""The computed keys of a row, each derived from the mixer's op list."""


class CostRow(NamedTuple):
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
        return self._asdict()


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

SAMPLE_KEYS = ("samples_ms", "off_clock_samples_ms")
"""The keys of a measured row that hold every sample: in JSON alone."""

ROW_KEYS = CostRow._fields
SIZE_KEYS = ROW_KEYS[: ROW_KEYS.index("params")]
"""The keys that say what a row is about; the rest are figures."""


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a results file, as shipped in `skaprof/schema.json`."""
    import json
    from importlib.resources import files  # both only where a file is read

    found: dict[str, Any] = json.loads(files("skaprof").joinpath("schema.json").read_text(encoding="utf-8"))
    return found
