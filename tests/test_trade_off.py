"""Accuracies from elsewhere joined to exact costs, and what networks are worth beside what they cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import PUBLISHED, ROOT, Run

from skaprof.analysis.heads import heads_points
from skaprof.analysis.imported import imported_rows
from skaprof.analysis.limits import parse_limit
from skaprof.analysis.measured_search import measured_front
from skaprof.analysis.trade_off import Times, trade_off_rows
from skaprof.errors import SkaprofError
from skaprof.model.backbones import BACKBONES
from skaprof.trained import TRAINED, TrainedRow

TIMM = """model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct,interpolation
eva_giant_patch14_336.clip_ft_in1k,89.466,10.534,98.826,1.174,"1,013.01",336,1.000,bicubic
caformer_s18.sail_in1k_384,85.026,14.974,97.358,2.642,26.34,384,1.000,bicubic
deit_small_patch16_224.fb_in1k,79.848,20.152,95.042,4.958,22.05,224,0.900,bicubic
vit_base_patch16_224.other,80.0,20.0,95.0,5.0,86.54,224,0.9,bicubic
"""


def written(folder: Path, text: str, name: str = "results.csv") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_timms_results_are_joined_to_published_costs_at_their_image_size(tmp_path: Path) -> None:
    giant, caformer, deit, other = imported_rows(written(tmp_path, TIMM), data="ImageNet-1k")
    published = {(name, side): (params, macs) for name, side, params, macs in PUBLISHED}
    assert (caformer.params, caformer.macs) == published["caformer_s18", 384]
    assert (deit.network, deit.params, deit.macs) == ("vit_small", *published["vit_small", 224])
    assert (caformer.accuracy, caformer.data, caformer.measured_here) == (pytest.approx(0.85026), "ImageNet-1k", False)
    assert (giant.network, giant.params, giant.note) == (None, None, "no network of that name is known here")
    assert (other.network, other.note) == (None, "86.57 M parameters at 224, not 86.54")


def test_the_published_figures_of_the_family_are_of_networks_here_or_say_why_not() -> None:
    rows = imported_rows(str(ROOT / "claims" / "accuracy.csv"))
    assert not any(row.measured_here for row in rows)
    assert all(row.source.startswith(("README of github.com/", "family_data/")) for row in rows)
    unknown = [row.model for row in rows if row.network is None]
    assert unknown == ["SKAFormer-S18", "SKAFormer-B36", "CSKAFormer-B36"]
    ska = next(row for row in rows if row.model.startswith("vit_cifar[stage1=ska"))
    assert (ska.accuracy, ska.params) == (pytest.approx(0.847), 9_475_818)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model,top5\na,3\n", "has columns 'model, top5'"),
        ("model,accuracy\n", "no lines below its header"),
        ("model,accuracy\nvit_tiny,72.2\n", "line 2, accuracy: '72.2' is not valid: expected a share from 0 to 1"),
        ("model,top1\nvit_tiny,722\n", "line 2, accuracy: '722' is not valid"),
        ("model,accuracy\nvit_tiny,0,722\n", "line 2 has more values than columns"),
        ("model,accuracy,accuracy\nvit_tiny,0.7,0.8\n", "has two columns 'accuracy': expected one"),
        ("model,accuracy,param_count\nvit_tiny,0.7,nan\n", "line 2, param_count: 'nan' is not valid"),
        ("model,accuracy\nvit_tiny[stage1=sak],0.7\n", "line 2: model: 'sak' is not valid.*did you mean 'ska'"),
        ("model,accuracy,img_size\nvit_tiny,0.7,225\n", "line 2: .*the patch size 16"),
        ("model,accuracy\n,0.7\n", "line 2: names no model"),
    ],
)
def test_a_line_that_is_not_valid_is_named_by_its_number(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SkaprofError, match=said):
        imported_rows(written(tmp_path, text))


def run(model: str, seed: int, accuracy: float | None, **other: object) -> TrainedRow:
    from skaprof.analysis.imported import costs_of
    from skaprof.model.choice import open_backbone
    from skaprof.model.network import make_network

    network = make_network(open_backbone(model), 32, 32)
    costs = costs_of(network)
    return TrainedRow(
        model=model,
        mixers=",".join(network.choice.texts),
        data="squares",
        seed=seed,
        learning_rate=1e-3,
        recipe_hash="r",
        data_hash="d",
        model_hash=model,
        status=TRAINED,
        accuracy=accuracy,
        nll=1.0,
        params=costs["params"],
        macs=costs["macs"],
        image_height=32,
        image_width=32,
        classes=10,
        epochs=1,
        train_images=10,
        test_images=100,
        train_images_per_cpu_s=1.0,
        is_control=False,
        hits=None,
        **other,
    )


MHSA, SKA, CSKA = "vit_cifar", "vit_cifar[stage1=ska]", "vit_cifar[stage1=cska]"
RUNS = [run(MHSA, seed, value) for seed, value in enumerate((0.80, 0.82, 0.84))]
RUNS += [run(SKA, seed, value) for seed, value in enumerate((0.80, 0.82, 0.84))]
RUNS += [run(CSKA, 0, 0.7), run(CSKA, 1, None)]


def test_a_network_is_worth_its_mean_over_seeds_with_a_t_interval_and_costs_what_it_is_counted_at() -> None:
    mhsa, ska, cska = trade_off_rows(RUNS)
    assert (mhsa.accuracy, mhsa.seeds) == (pytest.approx(0.82), 3)
    half = 4.303 * 0.02 / 3**0.5  # Student, two degrees of freedom
    assert (mhsa.accuracy_low, mhsa.accuracy_high) == pytest.approx((0.82 - half, 0.82 + half), abs=1e-4)
    assert (cska.seeds, cska.accuracy_low) == (1, None)
    assert None not in (mhsa.peak_bytes, mhsa.saved_bytes)
    assert [row.unbeaten for row in (mhsa, ska, cska)] == [False, True, False]  # as good, at fewer of all


def test_an_interval_of_an_accuracy_ends_at_0_and_1() -> None:
    rows = [trade_off_rows([run(MHSA, 0, one), run(MHSA, 1, other)])[0] for one, other in ((0.0, 0.1), (0.9, 1.0))]
    half = 12.706 * 0.05  # Student, one degree of freedom
    assert (rows[0].accuracy_low, rows[0].accuracy_high) == (0.0, pytest.approx(0.05 + half, abs=1e-4))
    assert (rows[1].accuracy_low, rows[1].accuracy_high) == (pytest.approx(0.95 - half, abs=1e-4), 1.0)


def test_predicted_times_join_the_trade_and_may_put_a_network_on_the_front() -> None:
    slow = {MHSA: 1.0, SKA: 2.0, CSKA: 3.0}

    def predict(network: object) -> float:
        texts = network.choice.texts  # type: ignore[attr-defined]  # a network
        return slow[MHSA if texts == ("mhsa",) else f"vit_cifar[stage1={texts[0]}]"]

    rows = trade_off_rows(RUNS, Times(hardware="here", predict=predict))  # type: ignore[arg-type]  # as above
    assert [(row.predicted_ms, row.unbeaten) for row in rows] == [(1.0, True), (2.0, True), (3.0, False)]


def test_a_search_over_what_was_measured_maximizes_accuracy_within_limits() -> None:
    rows = trade_off_rows([*RUNS, run("vit_cifar[stage1=identity]", 0, 0.5)])
    backbone = BACKBONES["vit_cifar"]
    front = measured_front(rows, backbone, ("accuracy", "macs"), [])
    assert [row.model for row in front] == [SKA, "vit_cifar[stage1=identity]"]
    few = parse_limit("--limit", "params<=6M")
    assert [row.model for row in measured_front(rows, backbone, ("accuracy", "macs"), [few])] == [front[1].model]
    with pytest.raises(SkaprofError, match="no accuracy of vit_tiny"):
        measured_front(rows, BACKBONES["vit_tiny"], ("accuracy",), [])


def test_heads_are_read_off_the_networks() -> None:
    runs = [run(f"vit_cifar[stage1=ska:heads={heads}]", 0, 0.5) for heads in (4, 8)]
    points = heads_points(trade_off_rows([*runs, run(CSKA, 0, 0.7)]))
    assert [(point.mixer, point.heads) for point in points] == [("ska", 4), ("ska", 8), ("cska", 8)]


def test_the_commands_show_draw_and_search_what_was_measured_and_published(skaprof: Run, tmp_path: Path) -> None:
    lines = [{"schema_version": 1, "command": "skaprof accuracy", "environment": {}}, *(row.as_dict() for row in RUNS)]
    runs = written(tmp_path, "".join(json.dumps(line) + "\n" for line in lines), "runs.jsonl")
    published = str(tmp_path / "published.json")
    done = skaprof("accuracy", "import", str(ROOT / "claims" / "accuracy.csv"), "--output", published)
    assert done.returncode == 0, done.stderr
    done = skaprof("accuracy", "tradeoff", runs, published, "--data", "squares", "--plot", str(tmp_path / "t.svg"))
    assert done.returncode == 0, done.stderr
    assert "squares: 1 of 3 networks on the front: vit_cifar[stage1=ska]." in done.stdout
    assert (tmp_path / "t.svg").stat().st_size > 10_000
    refused = skaprof("accuracy", "tradeoff", runs, published, "--plot", str(tmp_path / "u.svg"))
    assert (refused.returncode, "expected --data with it" in refused.stderr) == (2, True)
    folder = str(tmp_path / "report")
    (tmp_path / "few.toml").write_text("sections = ['break-evens']\n")
    few = ("--config", str(tmp_path / "few.toml"), "--analytic-only")
    done = skaprof("report", *few, "--accuracy", runs, "--output", folder)
    assert done.returncode == 0, done.stderr
    again = skaprof("report", "--from", f"{folder}/results.json", "--output", folder, "--check")
    assert again.returncode == 0, again.stderr
    found = skaprof("search", "vit_cifar", "--objective", "accuracy,params", "--accuracy", runs, "--format", "json")
    assert [row["model"] for row in json.loads(found.stdout)["rows"]] == [SKA]
    unmeasured = skaprof("search", "vit_cifar", "--objective", "accuracy")
    assert (unmeasured.returncode, "expected --accuracy FILE" in unmeasured.stderr) == (2, True)
