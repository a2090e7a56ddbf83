"""A network's rows: its ops summed by stage, by block or all together, with shares, differences and ceilings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from skaprof.answers import SwapRow
from skaprof.model.cost import Cost, OpCost, total
from skaprof.model.mixers import KEY_OPS
from skaprof.model.network import Network, Placed, PlacedMixer, make_network, network_costs
from skaprof.own_rows import PartRow
from skaprof.predictions import PredictedPart, PredictedScope, PredictedSwap
from skaprof.results import FLOPS_PER_PARAM, METRICS, ProvedScope, ScopeRow

if TYPE_CHECKING:
    from skaprof.analysis.kernel_model import Predicted
    from skaprof.count.verification import Verification

Row = dict[str, Any]
Prove = Callable[[Network, str, str], "Verification"]
"""What proves a network in a dtype and mode: `skaprof.count.verify_network`."""

TOTAL = "total"
DEPTHS = ("block", "stage", TOTAL)
COMPARED = ("params", "macs", "traffic_bytes")
_MIXER = "mixer"
_BLOCK = "block"


def scope_of(op: str, depth: str) -> str:
    """The scope that an op belongs to at this depth: of `stage3.block1.norm1` stage3, stage3.block1, or total."""
    if depth == TOTAL:
        return TOTAL
    path = op.split(".")
    is_block = depth == "block" and path[0].startswith("stage")
    return ".".join(path[: 2 if is_block else 1])


class Costed(NamedTuple):
    """A network, the cost of its ops, and that of the same backbone with its own mixers."""

    network: Network
    dtype: str
    mode: str
    costs: list[OpCost]
    own: list[OpCost]

    def rows(self, depth: str) -> list[ScopeRow]:
        """One row for each scope at this depth, in the order they run. They add up to the row of depth "total"."""
        network, whole, own = self.network, total(self.costs), _by_scope(self.own, depth)
        return [
            ScopeRow(
                model=network.backbone.name,
                scope=scope,
                image_height=network.height,
                image_width=network.width,
                implementation=network.implementation,
                mode=self.mode,
                batch=network.batch,
                dtype=self.dtype,
                **_sizes(network, scope),
                **_figures(ops, whole, total(own[scope])),
            )
            for scope, ops in _by_scope(self.costs, depth).items()
        ]


def costed(network: Network, dtype: str = "float32", mode: str = "forward") -> Costed:
    """The network's costs, beside those of the unmodified one at the same size and form."""
    costs = network_costs(network, dtype, mode)
    own = network_costs(_unmodified(network), dtype, mode) if network.choice.is_modified else costs
    return Costed(network, dtype, mode, costs, own)


PredictNetwork = Callable[[Network, str, str, Network | None], Mapping[str, "Predicted"]]
"""What each scope of a network takes, on its own or as a part of a larger one: `skaprof.bench.predicting`."""


def predicted_rows(
    variants: Iterable[tuple[Network, str, str]], depth: str, predict: PredictNetwork, hardware: str
) -> tuple[list[ScopeRow], list[ScopeRow]]:
    """The rows of each (network, dtype, mode) at this depth, and their totals, with their times on a machine."""
    rows: list[ScopeRow] = []
    totals: list[ScopeRow] = []
    for variant in variants:
        said = predict(*variant, None)
        costs = costed(*variant)
        for at, collected in ((depth, rows), (TOTAL, totals)):
            collected += [_predicted(row, said.get(row.scope), hardware) for row in costs.rows(at)]
    return rows, totals


def _predicted(row: ScopeRow, said: Predicted | None, hardware: str) -> PredictedScope:
    return PredictedScope(**row.as_dict(), **prediction(said, hardware))


def predicted_parts(rows: Iterable[PartRow], said: Mapping[str, Predicted], hardware: str) -> list[PredictedPart]:
    """The rows of a model of the user's own with their times on a machine, by the names of its submodules."""
    return [PredictedPart(**row.as_dict(), **prediction(said.get(row.scope), hardware)) for row in rows]


def predicted_swap(
    rows: Iterable[SwapRow], before: Mapping[str, Predicted], after: Mapping[str, Predicted], hardware: str
) -> list[PredictedSwap]:
    """The rows of a swap with the times before and after it on a machine, by the names of the submodules."""
    found = []
    for row in rows:
        scope = "" if row.scope == TOTAL else row.scope
        was = prediction(before.get(scope), hardware)["predicted_ms"]
        found.append(PredictedSwap(**row.as_dict(), **prediction(after.get(scope), hardware), predicted_before_ms=was))
    return found


def prediction(said: Predicted | None, hardware: str) -> dict[str, Any]:
    """The keys of `skaprof.results.Prediction`; None where nothing is said."""
    seconds = (None, None, None) if said is None else (said.seconds, said.low, said.high)
    middle, low, high = (None if value is None else 1e3 * value for value in seconds)
    return {
        "hardware": hardware,
        "predicted_ms": middle,
        "predicted_low_ms": low,
        "predicted_high_ms": high,
        "unknown_ops": None if said is None else ", ".join(said.unknown) or None,
        "outside_ops": None if said is None else ", ".join(said.outside) or None,
    }


def scope_rows(
    variants: Iterable[tuple[Network, str, str]], depth: str, prove: Prove | None = None
) -> tuple[list[ScopeRow], list[ScopeRow]]:
    """The rows of each (network, dtype, mode) at this depth, and their totals, with what the counters say."""
    rows: list[ScopeRow] = []
    totals: list[ScopeRow] = []
    for variant in variants:
        proof = prove(*variant) if prove is not None else None
        costs = costed(*variant)
        for at, collected in ((depth, rows), (TOTAL, totals)):
            for row in costs.rows(at):
                told = proof.of_scope(row.scope) if proof else None
                collected.append(ProvedScope(**row.as_dict(), **told) if told else row)
    return rows, totals


def _unmodified(network: Network) -> Network:
    """The same backbone with its own mixers, at the same size, in the same form where they have it."""
    return make_network(
        network.choice.unmodified,
        network.height,
        network.width,
        network.batch,
        network.implementation,
        has_head=network.has_head,
    )


def _by_scope(costs: Iterable[OpCost], depth: str) -> dict[str, list[OpCost]]:
    parts: dict[str, list[OpCost]] = {}
    for cost in costs:
        parts.setdefault(scope_of(cost.name, depth), []).append(cost)
    return parts


def _figures(ops: list[OpCost], whole: Cost, own: Cost) -> dict[str, Any]:
    part = total(ops)
    of_mixers = [op for op in ops if _MIXER in op.name.split(".")]
    mixers = total(of_mixers)
    return {
        **{metric: getattr(part, metric) for metric in METRICS},
        **{f"{metric}_share": _share(part, whole, metric) for metric in COMPARED},
        **{f"{metric}_delta": getattr(part, metric) - getattr(own, metric) for metric in COMPARED},
        **{f"mixer_{metric}": getattr(mixers, metric) for metric in COMPARED},
        **{f"mixer_{metric}_share": _share(mixers, whole, metric) for metric in COMPARED[1:]},
        FLOPS_PER_PARAM: part.flops_per_param,
        "key_params": sum(op.params for op in of_mixers if op.name.rpartition(".")[2] in KEY_OPS),
    }


def _share(part: Cost, whole: Cost, metric: str) -> float:
    all_of_it: int = getattr(whole, metric)
    return getattr(part, metric) / all_of_it if all_of_it else 0.0


def _sizes(network: Network, scope: str) -> dict[str, Any]:
    """What a row says of its tokens and its mixer."""
    sizes: dict[str, Any] = dict.fromkeys(
        ("mixer", "height", "width", "tokens", "dim", "heads", "head_dim", "kernel_size")
    )
    if scope == TOTAL:
        return sizes | {"mixer": ",".join(network.choice.texts)}
    if scope == "head":
        return sizes | {"dim": network.stages[-1].stage.dim}
    if scope == "stem":
        return sizes | _grid(network.stages[0])
    stage, _, inside = scope.partition(".")
    placed = network.stages[int(stage.removeprefix("stage")) - 1]
    if inside == "downsampling":
        return sizes | _grid(placed)
    if inside.startswith(_BLOCK):
        block = placed.blocks[int(inside.removeprefix(_BLOCK)) - 1]
        return _grid(placed) | {"mixer": block.spec.text, **_mixer_sizes([block])}
    return _grid(placed) | {"mixer": placed.text, **_mixer_sizes(placed.blocks)}


def _mixer_sizes(blocks: Iterable[PlacedMixer]) -> dict[str, int | None]:
    """What all these mixers have alike; None where they differ."""
    alike = {key: {getattr(block.workload, key) for block in blocks} for key in ("heads", "head_dim", "kernel_size")}
    return {key: values.pop() if len(values) == 1 else None for key, values in alike.items()}


def _grid(placed: Placed) -> dict[str, Any]:
    w = placed.workload
    return {"height": w.height, "width": w.width, "tokens": w.tokens, "dim": w.dim}
