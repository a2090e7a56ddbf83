"""What needs torch and fvcore, loaded where it is used; without them, one clear error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from skaprof.analysis.plan import Variant
from skaprof.analysis.same_machine import require_same_machine
from skaprof.analysis.scopes import TOTAL
from skaprof.analysis.search import PREDICTED, Machine
from skaprof.answers import SwapRow
from skaprof.errors import bad_value, named, needing, require_package
from skaprof.model.hardware import Hardware, find_hardware
from skaprof.model.network import Network
from skaprof.workload import Workload

if TYPE_CHECKING:
    from skaprof.analysis.roofline_rows import Predict
    from skaprof.bench.predicting import Predictor
    from skaprof.count.user import UserCount
    from skaprof.count.verification import Verification
    from skaprof.foreign_code import UserModule


def load_verify() -> Callable[[Variant, Workload], Verification]:
    """`skaprof.count.verify.verify`, loaded now.

    Raises:
        SkaprofError: torch or fvcore is not installed here (exit code 3).
    """
    verify_row: Callable[[Variant, Workload], Verification] = _load_count().verify
    return verify_row


def load_verify_network() -> Callable[[Network, str, str], Verification]:
    """`skaprof.count.verify.verify_network`, loaded now.

    Raises:
        SkaprofError: as `load_verify`.
    """
    verify_network: Callable[[Network, str, str], Verification] = _load_count().verify_network
    return verify_network


def load_count_user() -> Callable[[UserModule, Workload, str, str], UserCount]:
    """`skaprof.count.user.count_user`, loaded now.

    Raises:
        SkaprofError: as `load_verify`.
    """
    _load_count()
    from skaprof.count.user import count_user

    return count_user


def load_swapped_rows() -> Callable[..., list[SwapRow]]:
    """`skaprof.count.swap.swapped_rows`, loaded now.

    Raises:
        SkaprofError: as `load_verify`.
    """
    _load_count()
    from skaprof.count.swap import swapped_rows

    return swapped_rows


def load_count_model() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """`skaprof.count.model_parts.count_model` and `proved_rows`, loaded now.

    Raises:
        SkaprofError: as `load_verify`.
    """
    _load_count()
    from skaprof.count.model_parts import count_model, proved_rows

    return count_model, proved_rows


def load_predict(machine: Hardware, *, allow_different_machine: bool = False) -> Predict:
    """What predicts calls on a machine: by the ops that they dispatch where such were timed there, else by the rates of
    its kernels.

    Raises:
        SkaprofError: torch is not installed here (exit code 3), or it is another than the calibration's, whose ops may
            be others.
    """
    if machine.kernels is None:
        from skaprof.analysis.roofline_rows import predict_by_rates

        return predict_by_rates(machine)
    _require_torch(machine, allow_different_machine=allow_different_machine)
    from skaprof.bench.predicting import predict_points

    return predict_points(machine.kernels, machine.peaks)


def _require_torch(machine: Hardware, *, allow_different_machine: bool) -> None:
    require_package("torch", f"a prediction by {machine.id}")
    import torch

    there = {"torch": torch.__version__}
    require_same_machine(machine, there, "the PyTorch here, which says what runs", allowed=allow_different_machine)


def load_predictor(machine: Hardware, *, allow_different_machine: bool = False) -> Predictor:
    """What predicts whole networks and models on a machine whose ops were timed.

    Raises:
        SkaprofError: they were not; or as `load_predict`.
    """
    if machine.kernels is None:
        raise bad_value(named("hardware"), machine.id, "a file of skaprof calibrate with [[kernels]], the times of ops")
    _require_torch(machine, allow_different_machine=allow_different_machine)
    from skaprof.bench.predicting import Predictor

    return Predictor(machine.kernels, machine.peaks)


def load_machine(
    hardware: str | None, metrics: Iterable[str], *, allow_different_machine: bool = False
) -> Machine | None:
    """A machine to search for: the seconds that it will take for a network; None where none is named.

    Raises:
        SkaprofError: times are among the metrics and no machine is named; as `load_predictor`; or an op of a
            network was never timed there.
    """
    if hardware is None:
        if PREDICTED in metrics:
            raise bad_value(named("objective"), PREDICTED, f"a machine with it, {named('hardware')} FILE.toml")
        return None
    machine = find_hardware(hardware)
    predict = load_predictor(machine, allow_different_machine=allow_different_machine).network

    def seconds(network: Network, dtype: str, mode: str, like: Network | None) -> float:
        said = predict(network, dtype, mode, like)[TOTAL]
        if said.seconds is None:
            never = f"{', '.join(said.unknown)} of {','.join(network.choice.texts)} never timed there"
            raise bad_value(named("hardware"), machine.id, f"a machine that knows all ops: {never}")
        return said.seconds

    return Machine(machine.id, seconds)


def _load_count() -> ModuleType:
    with needing("verification"):
        from skaprof.count import verify
    return verify
