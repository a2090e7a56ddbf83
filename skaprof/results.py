"""The frozen record of what was counted, and the keys it carries in JSON and CSV.

The keys are the same words in every command, every format and the Python API.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from skaprof.workload import Size

SCHEMA_VERSION = 1
SUMMED_METRICS = ("params", "macs", "flops", "elementwise_flops", "weight_bytes", "traffic_bytes", "saved_bytes")
"""The computed keys of a row that add up over ops."""
METRICS = (*SUMMED_METRICS, "peak_bytes")
"""The computed keys of a row, each derived from the mixer's op list."""


def name_of(row: Mapping[str, Any]) -> str:
    """What a row is of: its mixer, behind the backbone that holds it where there is one."""
    return " ".join(str(row[key]) for key in ("model", "mixer") if row.get(key) is not None)


class CostRow(NamedTuple):
    """The cost of one mixer at one size. Counts are exact integers; bytes follow from the dtype.

    `mixer` is the spec as given; `macs` multiply-adds; `flops` = 2 * macs; `elementwise_flops` all other arithmetic;
    `weight_bytes` the parameters'; `traffic_bytes` the activations' reads and writes; `saved_bytes` the activations
    kept for the backward pass, 0 in forward; `peak_bytes` the most activations held at once in inference, None in
    training and where no op runs. heads, head_dim and kernel_size are None where the mixer has none.
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
    saved_bytes: Size
    peak_bytes: Size | None

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
AXIS_SYMBOLS = {"tokens": "n", "resolution": "r", "dim": "d", "heads": "h", "kernel_size": "k"}
"""The axes along which costs may cross, and the symbol that each has in a formula; p is the patch of a resolution."""

SAMPLE_KEYS = (
    "samples_ms",
    "off_clock_samples_ms",
    "wall_samples_ms",
    "cpu_samples_ms",
    "sample_preemptions",
    "sample_faults",
)
"""The keys of a measured row that hold every sample: in JSON alone."""

ROW_KEYS = CostRow._fields
SIZE_KEYS = ROW_KEYS[: ROW_KEYS.index("params")]
"""The keys that say what a row is about; the rest are figures."""


class ScopeRow(NamedTuple):
    """The cost of one part of a backbone: a stage, a block, or all of it.

    The first keys say what the row is about: `scope` is "total", or a path such as "stage3" or "stage3.block1". Sizes
    are those of the tokens there, None where there are several or none; image sizes are in pixels; `implementation` is
    the form asked for, and mixers without it run in eager form. Then the keys of `CostRow`, and:

    `params_share`, `macs_share`, `traffic_bytes_share`: of the whole network's, 0 to 1.
    `params_delta`, `macs_delta`, `traffic_bytes_delta`: less what the backbone with its own mixers has in this scope.
    `mixer_params`, `mixer_macs`, `mixer_traffic_bytes`: what the token mixers in this scope hold.
    `mixer_macs_share`, `mixer_traffic_bytes_share`: that over the whole network's: what a swap here could save at most.
    `key_params`: parameters of static keys, which serve this image size only.
    """

    model: str
    scope: str
    image_height: int
    image_width: int
    mixer: str | None
    implementation: str
    mode: str
    batch: int
    height: int | None
    width: int | None
    tokens: int | None
    dim: int | None
    heads: int | None
    head_dim: int | None
    kernel_size: int | None
    dtype: str
    params: int
    macs: int
    flops: int
    elementwise_flops: int
    weight_bytes: int
    traffic_bytes: int
    saved_bytes: int
    peak_bytes: int | None
    params_share: float
    macs_share: float
    traffic_bytes_share: float
    params_delta: int
    macs_delta: int
    traffic_bytes_delta: int
    mixer_params: int
    mixer_macs: int
    mixer_traffic_bytes: int
    mixer_macs_share: float
    mixer_traffic_bytes_share: float
    key_params: int

    def as_dict(self) -> dict[str, Any]:
        """The row's keys and values, in the order every format uses."""
        return self._asdict()


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a results file, as shipped in `skaprof/schema.json`."""
    import json
    from importlib.resources import files  # both only where a file is read

    found: dict[str, Any] = json.loads(files("skaprof").joinpath("schema.json").read_text(encoding="utf-8"))
    return found
