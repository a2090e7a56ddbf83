"""Backbones in closed form: the published figures to the last digit, sums, sizes, shares, differences, messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import PUBLISHED, ROOT, networks
from hypothesis import given
from hypothesis import strategies as st

import skaprof
from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.analysis.scopes import COMPARED, DEPTHS, costed, scope_of
from skaprof.cli.latency_networks import parse
from skaprof.errors import SkaprofError
from skaprof.model.backbones import Backbone, Stage, Window
from skaprof.model.choice import Choice, choose, find_backbone, open_backbone, parse_backbone
from skaprof.model.cost import op_costs, total
from skaprof.model.custom import load_backbone
from skaprof.model.network import Network, backbone_totals, make_network, network_costs, network_ops
from skaprof.results import SUMMED_METRICS
from skaprof.workload import MODES

VIT_CIFAR = {"ska": (8.25, 1.09), "cska": (10.05, 1.29)}


@pytest.mark.parametrize(("text", "resolution", "params", "macs"), PUBLISHED)
def test_published_figures_to_the_last_digit(text: str, resolution: int, params: int, macs: int) -> None:
    cost = backbone_totals(text, resolution)
    assert (cost.params, cost.macs, cost.flops) == (params, macs, 2 * macs)


@pytest.mark.parametrize("mixer", VIT_CIFAR)
def test_vit_cifar_is_the_authors_code_but_for_its_output_biases_and_temperatures(mixer: str) -> None:
    """Their G are FLOPs, 2 a MAC; 6 blocks of one output bias of 512 and one learned temperature are not here."""
    cost = backbone_totals(f"vit_cifar[stage1={mixer}]")
    millions, giga = VIT_CIFAR[mixer]
    assert round((cost.params + 6 * (512 + 1)) / 1e6, 2) == round(cost.params / 1e6, 2) == millions
    assert round(cost.flops / 1e9, 2) == giga


def test_vit_cifar_counted_by_hand_from_its_authors_code() -> None:
    norms, mlp, patch = 2 * 1024, 2 * 512 * 512 + 1024, 2 * 240 + 240 * 512 + 512
    outside = patch + (1 + 65) * 512 + 1024 + 512 * 10 + 10
    linears, key = 3 * 512 * 512, 65 * 512
    assert backbone_totals("vit_cifar[stage1=ska]").params == outside + 6 * (norms + mlp + linears + key)
    ten_heads = 3 * 512 * 640 + 65 * 640  # of the authors' CIFAR-10 script
    found = backbone_totals("vit_cifar[stage1=ska:heads=10:head_dim=64]").params
    assert found == outside + 6 * (norms + mlp + ten_heads) == 9_475_818
    convolution = 9 * 64 * 65 * 8 + 65 * 8
    assert backbone_totals("vit_cifar[stage1=cska]").params == outside + 6 * (norms + mlp + linears + key + convolution)


@given(networks(), st.sampled_from(MODES))
def test_stages_and_blocks_add_up_to_the_total(network: Network, mode: str) -> None:
    whole = total(network_costs(network, mode=mode))
    for depth in DEPTHS:
        rows = costed(network, mode=mode).rows(depth)
        for metric in SUMMED_METRICS:
            assert sum(getattr(row, metric) for row in rows) == getattr(whole, metric)
        for metric in COMPARED:
            assert sum(getattr(row, f"{metric}_share") for row in rows) == pytest.approx(1)
            assert all(0 <= getattr(row, f"mixer_{metric}") <= getattr(row, metric) for row in rows)


@given(networks())
def test_every_op_and_tensor_has_a_name_of_its_own_and_reads_what_was_written(network: Network) -> None:
    ops = network_ops(network)
    assert len({op.name for op in ops}) == len(ops)
    written = {"image"}
    for op in ops:
        assert {tensor.name for tensor in op.inputs if not tensor.is_parameter} <= written, op.name
        written.add(op.output.name)


@given(networks())
def test_everything_but_parameters_grows_in_proportion_to_the_batch(network: Network) -> None:
    """But for scaled biases, of which there is one a call."""
    sizes = (network.choice, network.height, network.width)
    one, many = (
        [
            cost
            for cost in network_costs(make_network(*sizes, batch, network.implementation, has_head=network.has_head))
            if not cost.name.endswith(("bias_scale", "mixer.scores"))
        ]
        for batch in (1, 5)
    )
    for metric in ("macs", "elementwise_flops", "traffic_bytes"):
        assert [getattr(cost, metric) for cost in many] == [5 * getattr(cost, metric) for cost in one]
    assert [cost.params for cost in many] == [cost.params for cost in one]


@given(networks())
def test_training_costs_three_times_the_macs_where_nothing_is_recomputed(network: Network) -> None:
    ops = [op._replace(group=None) for op in network_ops(network)]
    forward, train = (total(op_costs(ops, 4, mode)) for mode in MODES)
    assert train.macs == 3 * forward.macs


@given(networks())
def test_differences_are_against_the_same_backbone_with_its_own_mixers(network: Network) -> None:
    own = make_network(
        network.choice.unmodified,
        network.height,
        network.width,
        network.batch,
        network.implementation,
        has_head=network.has_head,
    )
    for row, reference in zip(costed(network).rows("block"), costed(own).rows("block"), strict=True):
        assert row.scope == reference.scope
        for metric in COMPARED:
            assert getattr(row, f"{metric}_delta") == getattr(row, metric) - getattr(reference, metric)
            assert getattr(reference, f"{metric}_delta") == 0


@given(networks())
def test_the_mixers_share_is_what_mixers_that_cost_nothing_save(network: Network) -> None:
    """The ceiling against the same network with identity mixers, where the class token stays."""
    if any(not spec.mixer.class_token_forms for spec in network.choice.kinds):
        return
    free = Choice(network.backbone, tuple(choose(network.backbone, "identity", []).stages))
    sizes = (network.height, network.width, network.batch, network.implementation)
    without = make_network(free, *sizes, has_head=network.has_head)
    row = costed(network).rows("total")[0]
    assert row.macs - row.mixer_macs == total(network_costs(without)).macs
    assert row.traffic_bytes - row.mixer_traffic_bytes == total(network_costs(without)).traffic_bytes


@given(st.integers(1, 64), st.integers(1, 9), st.integers(1, 5), st.integers(0, 4))
def test_a_window_steps_as_often_as_it_fits(side: int, kernel_size: int, stride: int, padding: int) -> None:
    starts = range(0, side + 2 * padding - kernel_size + 1, stride)
    assert Window(kernel_size, stride, padding).steps(side) == len(starts)


@pytest.mark.parametrize(
    ("size", "grids"),
    [
        ((224, 224), [(56, 56), (28, 28), (14, 14), (7, 7)]),
        ((800, 1280), [(200, 320), (100, 160), (50, 80), (25, 40)]),
        ((65, 33), [(16, 8), (8, 4), (4, 2), (2, 1)]),
    ],
)
def test_stages_follow_the_arithmetic_of_convolutions(size: tuple[int, int], grids: list[tuple[int, int]]) -> None:
    network = make_network(parse_backbone("caformer_s18"), *size)
    assert [(placed.workload.height, placed.workload.width) for placed in network.stages] == grids


def test_heads_are_as_wide_as_the_backbone_has_them_unless_the_spec_says() -> None:
    def heads(text: str) -> list[tuple[int, int]]:
        network = make_network(parse_backbone(text), 64, 64)
        return [(placed.workload.heads, placed.workload.head_dim) for placed in network.stages]

    assert heads("caformer_s18[stage1=ska]")[0] == (2, 32)
    assert heads("caformer_s18[stage1=ska:heads=4]")[0] == (4, 16)
    assert heads("vit_tiny") == [(3, 64)]
    assert heads("vit_base[stage1=ska:head_dim=32]") == [(24, 32)]


def test_a_file_that_names_no_head_dim_gets_the_usual_one(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text("[[stages]]\ndepth = 1\ndim = 48\nmixer = 'ska'\n")
    assert (row := skaprof.model_cost(str(path))[1]).heads == 2
    assert row.head_dim == 24
    path.write_text("head_dim = 32\n" + path.read_text())
    with pytest.raises(SkaprofError, match="stage 1 of odd: ska: head_dim: '32'"):
        skaprof.model_cost(str(path))


@pytest.mark.parametrize(("mixer", "tokens"), [("mhsa", 197), ("ska", 197), ("cska", 197), ("sepconv", 196)])
def test_a_class_token_runs_where_the_mixer_has_a_place_for_it(mixer: str, tokens: int) -> None:
    network = make_network(parse_backbone(f"vit_small[stage1={mixer}]"), 224, 224)
    assert network.stages[0].workload.tokens == tokens
    names = {op.name for op in network_ops(network)}
    assert ("stem.class_token" in names) == (tokens == 197)
    assert ("head.mean" in names) == (tokens == 196)


def test_a_mixer_without_a_place_for_a_class_token_is_never_counted_with_one() -> None:
    network = make_network(parse_backbone("vit_small"), 224, 224)
    w = network.stages[0].workload._replace(kernel_size=3)
    for text, form in (("sepconv", "eager"), ("cska", "sdpa")):
        with pytest.raises(SkaprofError, match="no place for a class token"):
            parse_backbone(f"vit_small[stage1={text}]").kinds[0].ops(w, form)


def test_forms_are_those_each_mixer_has_there() -> None:
    def forms(text: str) -> list[str]:
        stages = make_network(parse_backbone(text), 32, 32, 1, "sdpa").stages
        return [placed.blocks[0].implementation for placed in stages]

    assert forms("caformer_s18[stage4=cska]") == ["eager", "eager", "sdpa", "sdpa"]
    assert forms("vit_small[stage1=cska]") == ["eager"]


@pytest.mark.parametrize("text", ["vit_small", "vit_small[stage1=cska]", "caformer_s18[stage1=sepconv,stage3=ska]"])
@pytest.mark.parametrize("form", ["eager", "sdpa"])
def test_only_what_runs_fused_keeps_its_inner_tensors_from_memory(text: str, form: str) -> None:
    """Each stage's mixers move what the same mixers move alone, in the form they have there."""
    network = make_network(parse_backbone(text), 64, 64, 1, form)
    for placed, row in zip(network.stages, costed(network).rows("stage")[1:], strict=False):
        variant = Variant(placed.blocks[0].spec, placed.blocks[0].implementation)
        assert row.mixer_traffic_bytes == placed.stage.depth * cost_row(variant, placed.workload).traffic_bytes


def test_a_static_keys_parameters_are_told_apart() -> None:
    def keys(text: str) -> list[int]:
        return [row.key_params for row in costed(make_network(parse_backbone(text), 224, 224)).rows("stage")]

    assert keys("caformer_s18") == [0] * 6
    assert keys("caformer_s18[stage3=ska]") == [0, 0, 0, 9 * 196 * 320, 0, 0]
    assert keys("caformer_s18[stage4=cska]") == [0, 0, 0, 0, 3 * (9 * 49 * 512 + 16 * 49), 0]


def test_without_its_head_a_backbone_is_what_is_left() -> None:
    rows = {row.scope: row for row in skaprof.model_cost("caformer_s18", resolution=(800, 1280))}
    features = {row.scope: row for row in skaprof.model_cost("caformer_s18", task="detection")}
    assert set(rows) - set(features) == {"head"}
    assert [rows[scope].macs for scope in features] == [row.macs for row in features.values()]


def test_the_api_takes_mixers_as_text_or_words() -> None:
    as_text = skaprof.model_cost("caformer_s18", "sepconv,sepconv,ska,mhsa", depth="total")
    as_words = skaprof.model_cost("caformer_s18", ["sepconv", "sepconv", "ska", "mhsa"], depth="total")
    in_brackets = skaprof.model_cost("caformer_s18[stage3=ska]", depth="total")
    assert as_text == as_words == in_brackets
    assert as_text[0].mixer == "sepconv,sepconv,ska,mhsa"
    assert skaprof.model_cost("vit_small", "ska", depth="total") == skaprof.model_cost(
        "vit_small", ["ska"], depth="total"
    )


def test_the_api_refuses_what_is_not_valid() -> None:
    for words, arguments in (
        ("resolution: '0'", {"resolution": 0}),
        ("resolution: '224'", {"resolution": "224"}),
        ("resolution", {"resolution": (1, 2, 3)}),
        ("did you mean 'detection'", {"task": "detect"}),
        ("depth: 'op'", {"depth": "op"}),
        ("batch: '0'", {"batch": 0}),
        ("mode: 'testing'", {"mode": "testing"}),
        ("names 2 mixers", {"mixers": ["ska", "ska"]}),
    ):
        with pytest.raises(SkaprofError) as caught:
            skaprof.model_cost("caformer_s18", **arguments)
        assert words in caught.value.message


def test_a_block_counted_by_hand() -> None:
    """2 x 2 tokens of 8 channels, no mixer: norm, add, norm, MLP of 4 x, add."""
    backbone = Backbone("tiny", (Stage(1, 8, "identity", residual_scale=True),), stem_window=Window(1, 1, 0))
    network = make_network(choose(backbone, None, []), 2, 2, 3)
    x, hidden, weights = 3 * 4 * 8, 3 * 4 * 32, 2 * 8 * 32
    forward, train = (row for mode in MODES for row in costed(network, mode=mode).rows("block") if "block" in row.scope)
    assert forward.params == 4 * 8 + weights + 2  # norms, residual scales, MLP, StarReLU
    assert forward.macs == 3 * 4 * weights
    assert forward.elementwise_flops == 2 * (6 + 1 + 1) * x + 4 * hidden
    shortcuts = 2 * (2 * x + 2 * x + 3 * x)  # norm, scale, add
    mlp = 2 * (x + hidden) + 2 * hidden
    assert forward.traffic_bytes == 4 * (shortcuts + mlp)
    norms_and_scales = 4 * 3 * x  # each reads its output's gradient and x, writes a gradient
    linears, activation = 2 * (2 * hidden + 2 * x), 3 * hidden
    sums = 2 * 3 * x  # x and the middle each feed a norm and a shortcut; an add passes its gradient on
    assert train.traffic_bytes - forward.traffic_bytes == 4 * (norms_and_scales + linears + activation + sums)
    assert train.elementwise_flops - forward.elementwise_flops == 2 * (12 + 3 + 0 + 1) * x + 6 * hidden


def test_a_vits_other_ops_counted_by_hand() -> None:
    """Patches, class token and positions; head of a class token: n = 4 + 1 tokens of 64 channels."""
    backbone = find_backbone("vit_small")._replace(stages=(Stage(1, 64, "identity"),), stem_window=Window(2, 2, 0))
    rows = {row.scope: row for row in costed(make_network(choose(backbone, None, []), 4, 4)).rows("stage")}
    assert rows["stem"].params == 64 * 12 + 64 + 64 + 5 * 64
    assert rows["stem"].elementwise_flops == 4 * 64 + 5 * 64  # bias, positions
    assert rows["stem"].traffic_bytes == 4 * (48 + 4 * 64 + 4 * 64 + 5 * 64 + 2 * 5 * 64)
    assert rows["stage1"].elementwise_flops == 5 * (2 * (7 + 1) * 64 + (1 + 5) * 256 + 64)
    assert rows["head"].elementwise_flops == 7 * 64 + 1000
    assert rows["head"].traffic_bytes == 4 * (64 + 64 + 64 + 1000)


def test_scopes_of_an_op() -> None:
    assert [scope_of("stage3.block1.mixer.query", depth) for depth in DEPTHS] == ["stage3.block1", "stage3", "total"]
    assert [scope_of("head.norm", depth) for depth in DEPTHS] == ["head", "head", "total"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("caformr_s18", "did you mean 'caformer_s18'"),
        ("caformer_s18[stage3=skka]", "did you mean 'ska'"),
        ("caformer_s18[stage5=ska]", "has 4 stages"),
        ("caformer_s18[stage3=ska,stage3=mhsa]", "stage 3 only once"),
        ("caformer_s18[3=ska]", "stage1=SPEC to stage4=SPEC"),
        ("caformer_s18[stage3=ska", "bracket closed"),
        ("", "model: ''"),
    ],
)
def test_a_text_that_names_no_backbone_is_refused(text: str, words: str) -> None:
    with pytest.raises(SkaprofError) as caught:
        parse_backbone(text)
    assert words in caught.value.message


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SkaprofError, match="nothing is left of them in stage 1"):
        backbone_totals("caformer_s18", 2)
    with pytest.raises(SkaprofError, match="patch size 16 of vit_small divides"):
        backbone_totals("vit_small", 224, 230)
    with pytest.raises(
        SkaprofError,
        match="stage 1 of caformer_s18: ska:heads=7: heads: '7' is not valid: expected a divisor of dim 64",
    ):
        backbone_totals("caformer_s18[stage1=ska:heads=7]")
    with pytest.raises(SkaprofError, match="names 2 mixers: expected 4"):
        open_backbone("caformer_s18", "ska,mhsa")
    with pytest.raises(SkaprofError, match="names mixers already"):
        open_backbone("caformer_s18[stage3=ska]", "ska")


def test_a_stage_that_is_named_without_its_mixer_is_shown_as_typed() -> None:
    with pytest.raises(SkaprofError, match=r"^stage: '3=' is not valid: expected 1=SPEC to 4=SPEC"):
        open_backbone("caformer_s18", None, ["3="])
    with pytest.raises(SkaprofError, match=r"'stage9=ska' is not valid: expected stage1=SPEC to stage4=SPEC"):
        open_backbone("caformer_s18[stage9=ska]")


def _files(folder: Path, *texts: str) -> list[str]:
    """Files of the name net.toml, each in a folder of its own."""
    paths = [folder / str(number) / "net.toml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.parent.mkdir()
        path.write_text(text)
    return [str(path) for path in paths]


def test_networks_that_results_would_not_tell_apart_are_not_timed_together(tmp_path: Path) -> None:
    def parsed(*models: str) -> tuple[str, ...]:
        return parse(models, None, None, None, "float32", "forward")[0].models

    one, same, other = _files(tmp_path, FILE, FILE, FILE.replace("128", "256"))
    swapped = f"{one}[stage1=ska]"
    assert parsed(one, swapped, one) == (one, swapped)
    with pytest.raises(SkaprofError, match=r"0.net\.toml' and '.*2.net\.toml' are both called 'net'"):
        parsed(one, other)
    with pytest.raises(SkaprofError, match="both called 'net'"):
        parsed(swapped, other)
    with pytest.raises(SkaprofError, match="are one network"):
        parsed(one, same)
    with pytest.raises(SkaprofError, match="are one network"):
        parsed("caformer_s18", "caformer_s18[stage3=mhsa]")


FILE = """\
# a small one
head_dim = 16
head = "linear"
[stem]
kernel_size = 4
stride = 4
padding = 0
[[stages]]
depth = 2
dim = 64
mixer = "sepconv"
[[stages]]
depth = 4
dim = 128
mixer = "ska"
mlp_ratio = 3
residual_scale = true
"""


def test_a_file_describes_a_backbone(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(FILE)
    backbone = load_backbone(str(path))
    assert (backbone.name, backbone.mixers, backbone.head_dim) == ("small", ("sepconv", "ska"), 16)
    assert backbone.stem_window == Window(4, 4, 0)
    assert backbone.stages[1].residual_scale
    row = skaprof.model_cost(str(path), "mhsa", resolution=32, depth="stage")[2]
    blocks = 4 * (4 * 128**2 + 2 * 3 * 128**2 + 2 + 4 * 128)  # mixer, MLP and its StarReLU, norms and residual scales
    assert row.params == blocks + 64 + 9 * 64 * 128 + 128


def test_a_file_takes_mixers_in_brackets_and_a_folder_may_have_them_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a[1]"
    folder.mkdir()
    (path,) = _files(folder, FILE)
    assert open_backbone(f"{path}[stage1=ska,stage2=cska:kernel_size=5]").texts == ("ska", "cska:kernel_size=5")
    assert open_backbone(path).texts == ("sepconv", "ska")
    with pytest.raises(SkaprofError, match="bracket closed"):
        open_backbone(f"{path}[stage1=ska")
    with pytest.raises(SkaprofError, match=r"expected no stage$"):
        open_backbone(f"{path}[stage1=ska]", None, ["2=ska"])


VIT = """head = "linear"
bias = true
activation = "gelu"
head_dim = 8
classes = 10
resolution = 28
position_std = 1
[stem]
kind = "patches"
kernel_size = 4
stride = 4
padding = 0
[[stages]]
depth = 3
dim = 32
mixer = "mhsa"
mlp_ratio = 2
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"patches"', '"patch"', "line 9: stem.kind: 'patch' is not valid: expected one of convolution, patches"),
        ("stride = 4", "stride = 2", "line 9: stem.kind: expected kernel_size and stride alike and a padding of 0"),
        ("position_std = 1", "position_std = -1", "line 7: position_std: '-1' is not valid: expected a number from 0"),
        ("bias = true", "class_token = 1", "line 2: class_token: '1' is not valid: expected true or false"),
        ("[[stages]]", "[[stages]]\ndepth = 1\ndim = 32\nmixer = 'ska'\n[[stages]]", "one [[stages]] table behind"),
        ('kind = "patches"', "[downsampling]", "stem of kind patches or shifted_patches"),
    ],
)
def test_a_stem_that_does_not_fit_is_refused_with_key_and_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = VIT.replace("bias = true", "class_token = true") if old.startswith("kind") else VIT
    (tmp_path / "vit.toml").write_text(text.replace(old, new))
    with pytest.raises(SkaprofError) as caught:
        load_backbone(str(tmp_path / "vit.toml"))
    assert said in caught.value.message


def test_the_shipped_backbones_can_be_written_as_files(tmp_path: Path) -> None:
    caformer = find_backbone("caformer_s18")
    path = tmp_path / "caformer_s18.toml"
    path.write_text(
        "".join(
            f"[[stages]]\ndepth = {stage.depth}\ndim = {stage.dim}\nmixer = '{stage.mixer}'\n"
            f"residual_scale = {str(stage.residual_scale).lower()}\n"
            for stage in caformer.stages
        )
    )
    assert load_backbone(str(path)) == caformer
    vit = tmp_path / "vit_micro.toml"
    vit.write_text(VIT)
    assert load_backbone(str(vit)) == find_backbone("vit_micro")
    vit.write_text(VIT.replace('"patches"', '"shifted_patches"').replace("bias", "class_token = true\nbias"))
    changed = find_backbone("vit_micro")._replace(stem="shifted_patches", class_token=True)
    assert load_backbone(str(vit)) == changed


def test_the_readmes_file_shows_every_default(tmp_path: Path) -> None:
    path = tmp_path / "shown.toml"
    blocks = (ROOT / "docs" / "backbones.md").read_text().split("```toml\n")[1:]
    (shown,) = (block.partition("```")[0] for block in blocks if "[[stages]]" in block)
    path.write_text(shown)
    assert load_backbone(str(path)) == Backbone("shown", (Stage(3, 64, "sepconv"),))


BAD_FILES = [
    ("mlp_ratio", "mlp_ratoi", "line 16: stages.mlp_ratoi: 'mlp_ratoi' is not valid", "did you mean 'mlp_ratio'"),
    ("mlp_ratio = 3", "mlp_ratio = 3.5", "line 16: stages.mlp_ratio: '3.5'", "a whole number"),
    ("mlp_ratio = 3", "mlp_ratio = true", "line 16: stages.mlp_ratio: 'True'", "a whole number"),
    ("depth = 4", 'depth = "4"', "line 13: stages.depth: '4'", "a whole number from 1 to 1,000"),
    ("depth = 4", "depth = 1001", "line 13: stages.depth: '1001'", "a whole number from 1 to 1,000"),
    ('"ska"', '"skka"', "line 15: stages.mixer: 'skka'", "did you mean 'ska'"),
    ('mixer = "sepconv"\n', "", "line 8: stages.mixer: missing", "every stage"),
    ("residual_scale = true", "residual_scale = 1", "line 17: stages.residual_scale: '1'", "true or false"),
    ("stride = 4", "stirde = 4", "line 6: stem.stirde: 'stirde'", "did you mean 'stride'"),
    ("stride = 4", "stride = 0", "line 6: stem.stride: '0'", "from 1"),
    ("padding = 0", "padding = -1", "line 7: stem.padding: '-1'", "from 0"),
    ("[stem]", "[stme]", "line 4: stme: 'stme'", "did you mean 'stem'"),
    ("head_dim = 16", "head_dims = 16", "line 2: head_dims: 'head_dims'", "did you mean 'head_dim'"),
    ('"linear"', '"lineer"', "line 3: head: 'lineer'", "did you mean 'linear'"),
    ('"linear"', "3", "line 3: head: '3'", "one of mlp, linear"),
    (
        "[stem]\nkernel_size = 4",
        "stem = { kernel = 4 }\n[downsampling]",
        "line 4: stem.kernel: 'kernel'",
        "kernel_size",
    ),
    ("[stem]\nkernel_size = 4", "stem = 4\n[downsampling]", "line 4: stem: '4'", "a table with kernel_size"),
    (FILE, "head_dim = 3", "line 1: stages: expected one", "[[stages]]"),
    ("[[stages]]\ndepth = 2", "[[stages]\ndepth = 2", "is no TOML", "at line 8"),
]


@pytest.mark.parametrize(("old", "new", "where", "cure"), BAD_FILES)
def test_a_file_with_a_mistake_is_refused_with_key_and_line(
    tmp_path: Path, old: str, new: str, where: str, cure: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(FILE.replace(old, new))
    with pytest.raises(SkaprofError) as caught:
        load_backbone(str(path))
    assert where in caught.value.message
    assert cure in caught.value.message
    assert "\n" not in caught.value.message


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xff")
    for name, words in (("nowhere.toml", "No such file"), (".", "cannot be read"), ("binary.toml", "UTF-8")):
        with pytest.raises(SkaprofError, match=words):
            load_backbone(str(tmp_path / name))
