"""`skaprof swap` sees where a submodule stands, how it is called, how its input lies, and leaves nothing out unsaid."""

from __future__ import annotations

import io
import json
import warnings
from typing import Any

import pytest
import torch
import user_models
from rich.console import Console
from test_schema import require_valid
from torch import Tensor, nn
from user_models import Around, Attention, DepthwiseConvolution, Sharing

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.answers import SwapRow
from skaprof.cli.swap import swap as swap_command
from skaprof.count.swap import swapped_rows
from skaprof.errors import SkaprofError
from skaprof.foreign_model import UserModel
from skaprof.model.spec import parse_mixer
from skaprof.nn import swap, swap_mixers
from skaprof.report.swap import sentences, swap_table
from skaprof.workload import Workload

SHAPE = (2, 16, 48)
X = torch.zeros(SHAPE)


def rows_of(call: str, *replacements: str, shape: tuple[int, ...] = SHAPE, **hints: Any) -> list[SwapRow]:
    """Rows for the model `Around(call)`, or that of `user_models` named so; each replacement as `--replace` has it."""
    has_class = hasattr(user_models, call)
    path, arguments = (call, ()) if has_class else ("Around", (("call", call),))
    pairs = [(text.partition("=")[0], parse_mixer(text.partition("=")[2])) for text in replacements]
    warned: list[str] = []
    dtypes = (hints.pop("input_dtype", "float32"),)
    user = UserModel(f"user_models:{path}", arguments, (shape,), dtypes)
    rows = swapped_rows(user, pairs, warned.append, **hints)
    require_valid({"schema_version": 1, "command": "", "environment": {}, "rows": [row.as_dict() for row in rows]})
    return rows


def told(rows: list[dict[str, Any]]) -> str:
    console = Console(file=io.StringIO(), width=300)
    console.print(swap_table(rows))
    return "\n".join([console.file.getvalue(), *sentences(rows)])


@pytest.mark.parametrize(
    ("call", "pattern", "calls"),
    [
        *((call, "attn", 1) for call in ("once", "keyword", "sides", "wide", "multihead", "off meta", "tokens first")),
        *(("twice", "attn", 2), ("Sharing", "attn", 3), ("Sharing", "blocks.1.attn", 3), ("encoder", "self_attn", 1)),
    ],
)
def test_attention_put_in_its_own_place_changes_nothing_however_it_is_called(
    call: str, pattern: str, calls: int
) -> None:
    *sites, total = rows_of(call, f"{pattern}=mhsa:bias=true")
    assert total.params_delta == total.macs_delta == 0
    for row in sites:
        assert (row.batch, row.tokens, row.dim, row.heads, row.calls) == (2, 16, 48, 4, calls)
        assert row.verified
        assert row.macs_before == row.macs > 0
        assert row.params_before == row.params


@pytest.mark.parametrize(("call", "places", "calls"), [("Sharing", 3, 3), ("twice", 1, 2)])
def test_a_module_counts_its_parameters_once_and_its_macs_for_each_call(call: str, places: int, calls: int) -> None:
    row, total = rows_of(call, "attn=ska")
    derived = cost_row(Variant(parse_mixer("ska")), Workload(2, 4, 4, 48, 4, 12))
    assert (row.params, row.macs) == (derived.params, calls * derived.macs)
    assert (row.places, row.calls, row.verified) == (places, calls, True)
    assert total.params_delta == row.params_delta
    assert total.macs_delta == row.macs_delta
    assert "A module's parameters count once, its MACs once for each call." in told([row, total])


@pytest.mark.parametrize("call", ["multihead", "off meta"])
def test_both_counters_know_all_that_multihead_attention_runs(call: str) -> None:
    assert rows_of(call, "attn=ska")[-1].note is None


def test_one_mixer_stands_in_all_places_of_a_shared_module() -> None:
    model = swap_mixers(Sharing(), {"blocks.2.attn": "ska"}, X)
    assert len({block.attn for block in model.blocks}) == 1
    assert isinstance(model.blocks[0].attn, swap.Swapped)


@pytest.mark.parametrize("call", ["multihead", "tokens first"])
def test_a_mixer_with_the_weights_of_multihead_attention_gives_its_output(call: str) -> None:
    model, x = Around(call), torch.randn(SHAPE)
    expected, old = model(x), model.attn
    new = swap_mixers(model, {"attn": "mhsa:bias=true"}, x).attn.mixer
    with torch.no_grad():
        for name, weight, bias in zip(
            ("query", "key", "value"), old.in_proj_weight.chunk(3), old.in_proj_bias.chunk(3), strict=True
        ):
            getattr(new, name).weight.copy_(weight)
            getattr(new, name).bias.copy_(bias)
        new.output.weight.copy_(old.out_proj.weight)
        new.output.bias.copy_(old.out_proj.bias)
    torch.testing.assert_close(model(x), expected)


def test_an_encoder_of_pytorch_runs_with_mixers_in_evaluation_and_training() -> None:
    model = swap_mixers(Around("encoder").eval(), {"self_attn": "ska"}, X)
    with torch.no_grad():
        assert model(X).shape == X.shape
    model.train()(X).sum().backward()
    assert model.attn.layers[1].self_attn.mixer.scores.key.grad is not None


REFUSED = [
    ("masked later", (), r"takes nothing else: attn_mask = another tensor, \(16, 16\)"),
    ("cross", (), r"takes nothing else: key = another tensor, \(2, 16, 48\)"),
    ("shorter later", (), r"shapes \(2, 16, 48\) and \(2, 9, 48\): expected one shape"),
    ("over the batch", (), "it attends over the batch, not the tokens"),
    ("without batch", (), "does not grow with the batch along its first axis"),
    ("read", (), "the model reads qkv of the submodule attn: replace a larger one around it"),
    (
        "weights",
        (),
        "AttributeError: 'NoneType' .*; a submodule that is replaced gave several values, and a mixer gives",
    ),
    ("once", ("attn.proj=identity",), "proj: every submodule that it matches is replaced already, or is part of one"),
    ("Alone", ("block=identity",), r"alone is also block.attn, which is part of a submodule that is replaced"),
    ("once", ("Attention=mhsa",), "Attention: every submodule that it matches is replaced already"),
]


@pytest.mark.parametrize(("call", "more", "words"), REFUSED, ids=[call for call, *_ in REFUSED])
def test_what_would_not_be_the_same_model_is_refused_with_the_reason(
    call: str, more: tuple[str, ...], words: str
) -> None:
    with pytest.raises(SkaprofError, match=words):
        rows_of(call, "*attn=ska" if more == ("Attention=mhsa",) else "attn=ska", *more)


def test_the_command_warns_of_what_does_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    command = {"model_arg": ["call=once"], "shape": ["2x16x48"], "format": "json"}
    swap_command(model="user_models:Around", replace=["Attention=ska"], **command)
    said = capsys.readouterr()
    assert [row["scope"] for row in json.loads(said.out)["rows"]] == ["attn", "total"]
    assert said.err == (
        "skaprof: --replace: spare_attn: the model does not run it on this input, and it stays as it is\n"
    )


def test_the_order_of_nested_replacements_does_not_matter() -> None:
    with pytest.raises(SkaprofError, match="proj: every submodule that it matches"):
        rows_of("once", "attn.proj=identity", "attn=ska")


def test_a_changed_model_refuses_a_mask_and_options_that_are_on() -> None:
    attn = swap_mixers(Around("multihead"), {"attn": "ska"}, X).attn
    mixed, weights = attn(X, X, X, None, True, attn_mask=None, is_causal=False)
    assert (mixed.shape, weights) == (X.shape, None)
    for words, named in (("attn_mask", {"attn_mask": X[0]}), ("is_causal = True", {"is_causal": True})):
        with pytest.raises(SkaprofError, match=words):
            attn(X, X, X, **named)
    with pytest.raises(SkaprofError, match="value = another tensor"):
        attn(X, X, X.clone())


def test_models_of_token_ids_need_their_dtype() -> None:
    assert rows_of("ids", "attn=ska", shape=(2, 16), input_dtype="int64")[0].verified
    with pytest.raises(SkaprofError, match="token ids needs input_dtype int64, and shape BxN"):
        rows_of("ids", "attn=ska", shape=(2, 16))


def test_without_a_second_batch_size_the_axis_as_long_as_the_batch_is_the_batch() -> None:
    assert rows_of("batch of 2", "attn=ska")[0].tokens == 16
    with pytest.raises(SkaprofError, match="at batch 1 the model fails: RuntimeError"):
        rows_of("batch of 2", "attn=ska", shape=(2, 2, 48))


class Mapped(nn.Module):
    def __init__(self, mixer: nn.Module) -> None:
        super().__init__()
        self.mixer = mixer

    def forward(self, x: Tensor) -> Tensor:
        return self.mixer(x)


def test_layers_tell_whether_channels_come_first() -> None:
    convolution = nn.Conv2d(8, 8, 7, padding=3, groups=8)
    for mixer, shape in ((convolution, (2, 8, 6, 5)), (DepthwiseConvolution(8), (2, 8, 8, 8))):
        mixed = swap_mixers(Mapped(mixer), {"mixer": "sepconv"}, torch.zeros(shape)).mixer
        assert (mixed.layout, mixed.mixer.expand.in_features) == ("BCHW", 8)
    mixed = swap_mixers(Mapped(nn.Linear(8, 8)), {"mixer": "sepconv"}, torch.zeros(2, 6, 5, 8)).mixer
    assert (mixed.layout, mixed.mixer.expand.in_features) == ("BHWC", 8)


def test_where_layers_do_not_tell_the_layout_must_be_named() -> None:
    pooled, x = nn.AvgPool2d(3, 1, 1), torch.zeros(2, 8, 6, 5)
    with pytest.raises(SkaprofError, match="channels first or last: say which with input BCHW or BHWC"):
        swap_mixers(Mapped(pooled), {"mixer": "sepconv"}, x)
    assert swap_mixers(Mapped(pooled), {"mixer": "sepconv"}, x, layout="BCHW")(x).shape == x.shape
    with pytest.raises(SkaprofError, match="layout: 'BCWH' is not valid"):
        swap_mixers(Mapped(pooled), {"mixer": "sepconv"}, x, layout="BCWH")


class Cast(Mapped):
    """Its mixer is given bfloat16, whatever its parameters are."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self.mixer(x.bfloat16())


def test_a_mixer_has_the_dtype_of_the_parameters_replaced_or_else_of_the_input() -> None:
    for model, x, dtype in (
        (Cast(nn.Linear(48, 48)), X, torch.float32),
        (Mapped(nn.Identity()), X.double(), torch.float64),
    ):
        changed = swap_mixers(model, {"mixer": "ska"}, x)
        assert {parameter.dtype for parameter in changed.parameters()} == {dtype}
        assert changed(x).shape == x.shape


def test_maps_have_their_own_grid() -> None:
    with pytest.raises(SkaprofError, match="every input is a map with a grid of its own: leave out size"):
        swap_mixers(Mapped(nn.Linear(8, 8)), {"mixer": "pooling"}, torch.zeros(2, 6, 5, 8), grid=(3, 10))


def test_forward_may_be_any_callable_but_a_script() -> None:
    relu = nn.Module()
    relu.forward = torch.relu
    assert swap_mixers(Mapped(relu), {"mixer": "ska"}, X)(X).shape == X.shape
    with warnings.catch_warnings(action="ignore"):  # of torch.jit, that it is old
        scripted = torch.jit.script(nn.Linear(48, 48))
    with pytest.raises(SkaprofError, match=r"mixer: it is scripted: replace it before torch.jit.script"):
        swap_mixers(Mapped(scripted), {"mixer": "ska"}, X)


def test_a_submodule_that_is_run_by_its_forward_is_swapped_and_counted() -> None:
    row, total = rows_of("Direct", "attn=mhsa:bias=true")
    assert (row.verified, row.params_delta, row.macs_delta, total.macs_delta) == (True, 0, 0, 0)
    model = swap_mixers(user_models.Direct(), {"attn": "ska"}, X)
    assert model(X).shape == X.shape


HELD = {
    "script": "scripted: .*torch.jit.script",
    "trace": "traced: .*torch.jit.trace",
    "compile": "compiled: .*compile",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("how", HELD)
def test_what_is_scripted_traced_or_compiled_is_refused_with_the_reason(how: str) -> None:
    for inside, what in ((False, "the model is "), (True, r"0\S*\.0: 0 is ")):
        with pytest.raises(SkaprofError, match=f"^replace: {what}{HELD[how]}"):
            swap_mixers(user_models.fixed(how, inside=inside), {"*.0": "ska"}, X)
    compiled = Around("once")
    compiled.attn.compile()
    with pytest.raises(SkaprofError, match=r"attn: it is compiled: replace it before torch.compile"):
        swap_mixers(compiled, {"attn": "ska"}, X)


def test_tokens_beyond_the_grid_are_shown_and_limited() -> None:
    rows = rows_of("once", "attn=ska", shape=(1, 20, 48), grid=(4, 4))
    assert (rows[0].class_tokens, rows[0].tokens) == (4, 20)
    assert "4 x 4 + 4" in told(rows)
    assert "Tokens beyond the grid are class tokens" in told(rows)
    for grid, words in (((2, 4), "8 beside a 2 x 4 grid: expected fewer"), ((0, -1), "grid: '0'"), ((4,), "a pair")):
        with pytest.raises(SkaprofError, match=words):
            swap_mixers(Around("once"), {"attn": "ska"}, X, grid=grid)


def test_no_grid_is_made_up_for_tokens_that_have_none() -> None:
    for tokens in (20, 2):
        row = rows_of("once", "attn=ska", shape=(1, tokens, 48))[0]
        assert (row.height, row.width, row.tokens, row.verified) == (None, None, tokens, True)


def test_the_width_of_attention_is_kept_or_its_change_is_said() -> None:
    rows = rows_of("wide", "attn=ska")
    assert (rows[0].heads, rows[0].head_dim, rows[0].head_dim_before) == (4, 20, 20)
    assert "channels before" not in told(rows)
    changed = told(rows_of("wide", "attn=ska:heads=4"))
    assert "1 mixer: attention of 4 heads x 20 = 80 channels before, of 4 heads x 12 = 48 channels after." in changed


def test_heads_that_cannot_be_read_are_said_to_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skaprof.nn.input_layout._HEAD_COUNTS", ())
    said = told(rows_of("once", "attn=ska"))
    assert "could not be read; ska has 2 heads x 24 = 48 channels, and ska:heads=N sets them." in said
    assert "could not be read" not in told(rows_of("once", "attn=ska:heads=4"))
    assert "could not be read" not in told(rows_of("once", "attn=pooling"))


def test_a_mixer_that_is_not_verified_is_told_with_both_counts() -> None:
    rows = rows_of("fickle", "attn=mhsa")
    macs = cost_row(Variant(parse_mixer("mhsa")), Workload(2, 4, 4, 48, 4, 12)).macs
    assert rows[0].verified is False
    told_macs = f"and {2 * macs:,} MACs in 2 calls; counted are 9,216, and {macs:,}, {macs:,} (fvcore) and {macs:,} (F"
    assert f"Not verified: attn: the closed form has 9,216 parameters {told_macs}" in told(rows)


def test_biases_left_behind_are_said() -> None:
    assert f"The {4 * 48} bias parameters of what was replaced are not in ska (ska:bias=true" in told(
        rows_of("once", "attn=ska")
    )
    assert "bias parameters" not in told(rows_of("once", "attn=ska:bias=true"))
    assert f"The {4 * 48} bias parameters of what was replaced are not in cska (cska:bias=true" in told(
        rows_of("once", "attn=cska")
    )
    assert "bias parameters" not in told(rows_of("once", "attn=identity"))
    assert "are not in ska:bias=false." in told(rows_of("once", "attn=ska:bias=false"))


def test_one_submodule_is_one() -> None:
    assert "\n1 submodule replaced: " in told(rows_of("once", "attn=ska"))


def test_what_does_not_run_stays_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="spare_attn: the model does not run it on this input, and it stays") as seen:
        model = swap_mixers(Around("once"), {"Attention": "ska"}, X)
    assert seen[0].filename == __file__
    assert isinstance(model.spare_attn, Attention)
    assert isinstance(model.attn, swap.Swapped)


@pytest.mark.parametrize("training", [True, False])
def test_the_example_leaves_statistics_and_modes_as_they_were(training: bool) -> None:
    model = nn.Sequential(nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)).train(training)
    model[2].eval()
    swap_mixers(model, {"1": "sepconv"}, torch.randn(2, 8, 6, 5) + 3)
    assert [part.training for part in (model, *model)] == [training, training, training, False]
    assert model[1].mixer.expand.training is training
    assert torch.equal(model[0].running_mean, torch.zeros(8))


def test_a_failing_build_leaves_the_model_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    build, built = swap.build_mixer, []

    def fails_at_the_second(*arguments: Any) -> nn.Module:
        built.append(arguments)
        if len(built) == 2:
            raise SkaprofError("no second")
        return build(*arguments)

    monkeypatch.setattr(swap, "build_mixer", fails_at_the_second)
    model = nn.Sequential(Attention(48), Attention(48))
    with pytest.raises(SkaprofError, match="no second"):
        swap_mixers(model, {"Attention": "ska"}, X)
    assert [type(part) for part in model] == [Attention, Attention]
