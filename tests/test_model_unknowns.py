"""What is not known of a model of the user's own is null with its reason, and takes nothing else along."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from skaprof.count.model_parts import count_model
from skaprof.count.user import UserCount, count_module, count_user
from skaprof.foreign_code import UserModule
from skaprof.foreign_model import UserModel
from skaprof.own_rows import PartRow
from skaprof.workload import Workload

ROWS, LINEAR = 4, 4 * 8 * 8


def rows_of(name: str, mode: str = "forward") -> dict[str, PartRow]:
    user = UserModel(f"user_networks:{name}", shapes=((ROWS, 8),))
    return {row.scope: row for row in count_model(user, mode).rows(9)}


def trained(name: str) -> UserCount:
    return count_user(UserModule(f"user_networks:{name}"), Workload(1, 2, 2, 8), mode="train")


def test_how_many_parameters_a_part_with_weights_in_a_list_has_is_not_known_and_of_another_it_is() -> None:
    found = rows_of("Listed")
    assert {scope: (row.params, row.macs) for scope, row in found.items()} == {
        "first": (None, LINEAR),
        "second": (72, LINEAR),
        "": (None, 2 * LINEAR),
    }
    reason = "it multiplies by 64 numbers that are neither parameters nor real buffers: how many it learns is not known"
    assert [found[scope].error for scope in ("first", "second", "")] == [reason, None, reason]
    assert found["first"].weight_bytes is None


def test_memory_of_sparse_tensors_is_not_known_and_their_products_are() -> None:
    whole = rows_of("Sparse")[""]
    assert whole.macs == 4 * 8
    assert (whole.traffic_bytes, whole.saved_bytes, whole.peak_bytes) == (None, None, None)
    assert whole.error is not None
    assert whole.error.startswith("memory is not known: ")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_model_that_is_scripted_itself_is_one_row() -> None:
    (whole,) = rows_of("scripted").values()
    assert (whole.macs, whole.params) == (LINEAR, 72)


def test_a_gradient_within_the_forward_has_its_macs_and_memory() -> None:
    whole = rows_of("Slope")[""]
    assert whole.macs == 2 * LINEAR
    assert whole.peak_bytes


def test_a_model_that_keeps_its_answer_has_no_count_of_its_training() -> None:
    whole = rows_of("Keeping", "train")[""]
    assert whole.macs is None
    assert whole.error is not None
    assert whole.error.startswith("a second call fails: ")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_quantized_recurrent_layer_has_no_backward() -> None:
    found = trained("dynamic")
    assert found.macs is None
    assert found.error == "aten.quantized_lstm in rnn: PyTorch has no backward of it"


def test_what_training_saves_is_known_of_a_branch_and_told_where_it_is_not() -> None:
    assert trained("Chosen").saved_bytes == LINEAR // 2
    slope = trained("Slope")
    assert slope.macs is not None
    assert slope.saved_bytes is None
    assert slope.error is not None
    assert "what training saves is not known: RuntimeError" in slope.error


def test_a_product_with_a_vector_is_witnessed_in_training_too() -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.weight = nn.Linear(8, 8), torch.ones(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x) + torch.mv(self.weight, self.weight[0])

    found = count_module(Turned(), torch.ones(4, 8), mode="train")
    assert (found.macs, found.torch.total) == (3 * LINEAR + 64, 3 * LINEAR + 64)


def test_what_is_given_in_a_dataclass_is_trained_through() -> None:
    whole = rows_of("Answering", "train")[""]
    assert (whole.macs, whole.output_shape) == (3 * LINEAR, "4x8")
