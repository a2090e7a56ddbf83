"""`skaprof accuracy`: networks trained on a few tiny images, fairly, and to the same end however often interrupted."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT, Run
from test_schema import from_lines, require_valid

import skaprof as skaprof_package
from skaprof.analysis.accuracy import verdict_rows
from skaprof.analysis.contenders import contenders
from skaprof.elsewhere import Done
from skaprof.errors import SkaprofError
from skaprof.report.accuracy import sentences
from skaprof.saved import read_results
from skaprof.train import answering
from skaprof.train import session as sessions
from skaprof.train.code import code_hash
from skaprof.train.images import checked
from skaprof.train.recipe import Recipe, recipe_text
from skaprof.train.training import Training, build, pictures_of, rate_at
from skaprof.trained import DIVERGED, TRAINED, TrainedRow, TrialRow, VerdictRow

TINY = """
head = "linear"
bias = true
activation = "gelu"
head_dim = 4
resolution = 8
position_std = 1.0
[stem]
kind = "patches"
kernel_size = 4
stride = 4
padding = 0
[[stages]]
depth = 2
dim = 8
mixer = "mhsa"
mlp_ratio = 1
"""
RECIPE = Recipe(epochs=2, batch=10, flips=True, drop_path=0.5, learning_rates=(0.01, 0.03))
SKA = "tiny.toml[stage1=ska]"
MODELS = ("--model", "tiny.toml", "--model", SKA)
TIMED = "train_images_per_cpu_s"


def arrays() -> dict[str, np.ndarray]:
    """Two classes, light above and light below: 40 images of 8 x 8 to train on, 20 to score on."""
    rng = np.random.default_rng(0)
    found = {}
    for part, count in (("train", 40), ("test", 20)):
        labels = np.arange(count) % 2
        images = rng.integers(0, 120, (count, 8, 8))
        images[labels == 0, :4] += 100
        images[labels == 1, 4:] += 100
        found |= {f"{part}_images": images.astype(np.uint8), f"{part}_labels": labels}
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone, a data set and a recipe, each tiny."""
    path = tmp_path_factory.mktemp("accuracy")
    np.savez(path / "images.npz", **arrays())
    (path / "tiny.toml").write_text(TINY)
    (path / "recipe.toml").write_text(recipe_text(RECIPE))
    return path


Train = Callable[..., Any]


@pytest.fixture(scope="module")
def train(skaprof: Run, folder: Path) -> Train:
    """Run `skaprof accuracy` on the tiny images."""

    def run(*arguments: str, models: tuple[str, ...] = MODELS) -> Any:
        words = ("--data", "images.npz", "--recipe", "recipe.toml", "--device", "cpu")
        seeds = () if "--seeds" in arguments else ("--seeds", "2")
        return skaprof("accuracy", *models, *words, *seeds, *arguments, cwd=folder)

    return run


@pytest.fixture(scope="module")
def whole(train: Train, folder: Path) -> list[Any]:
    """The rows of an unbroken run."""
    done = train("--output", "whole.jsonl", "--weights", "weights")
    assert done.returncode == 0, done.stderr
    return list(read_results(folder / "whole.jsonl", "test").records)


def of(rows: list[Any], kind: type[Any]) -> list[Any]:
    return [row for row in rows if isinstance(row, kind)]


def timeless(rows: list[Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.as_dict().items() if key != TIMED} for row in rows]


def test_every_network_gets_as_many_trials_and_seeds_and_the_controls_run_too(whole: list[Any], folder: Path) -> None:
    models = ["tiny.toml", SKA, "tiny.toml[stage1=identity]", "tiny.toml[stage1=pooling]"]
    trials, runs, verdicts = of(whole, TrialRow), of(whole, TrainedRow), of(whole, VerdictRow)
    assert [(row.model, row.learning_rate) for row in trials] == [(m, rate) for m in models for rate in (0.01, 0.03)]
    assert {(row.model, row.seed) for row in runs} == {(model, seed) for model in models for seed in (0, 1)}
    assert {row.model: row.is_control for row in runs} == dict(zip(models, (False, False, True, True), strict=True))
    assert [row.model for row in verdicts] == models[1:]
    assert {row.status for row in runs} == {TRAINED}
    require_valid(from_lines((folder / "whole.jsonl").read_text()))
    assert verdicts == verdict_rows(runs, 1.0)
    assert len({(row.recipe_hash, row.data_hash) for row in (*trials, *runs)}) == 1
    for row in runs:
        own = [trial for trial in trials if trial.model == row.model]
        assert row.learning_rate == max(own, key=lambda t: (t.validation_accuracy, -t.validation_nll)).learning_rate


def test_a_cluster_trains_the_same_networks_whoever_answers_first(
    train: Train, whole: list[Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster is this process, which answers what it was asked last first; tests/test_cluster.py has others."""

    class Backwards:
        device, environment = "cpu", {"torch": torch.__version__, "training_code": code_hash()}

        def __init__(self, pool: dict[str, Any], *, anonymous: bool) -> None:
            assert answering.machine(json.loads(json.dumps(pool)))["device"] == "cpu"
            for name, words in (("data_hash", "holds other images"), ("model_hashes", "is another network")):
                other = {"tiny.toml": "0"} if name == "model_hashes" else "0"
                with pytest.raises(SkaprofError, match=words):
                    answering.machine(json.loads(json.dumps({**pool, name: other})))

        def done(
            self, function: str, tasks: list[Any], longest: float, is_late: object, tell: object
        ) -> Iterator[Done]:
            assert function == "skaprof.train.answering:trained"
            for place in reversed(range(len(tasks))):
                told = answering.trained(json.loads(json.dumps(tasks[place])))
                said = {"host": f"node{place}", "environment": told["environment"], "reruns": 0}
                failed = place == 1 and not tasks[1]["is_trial"] and "crash.jsonl" in sys.argv
                yield Done(place, told, "its worker was lost" if failed else None, said)

    monkeypatch.setattr("skaprof.cli.cluster_options.require_dask", lambda: None)
    monkeypatch.setattr("skaprof.cli.cluster_options.Clustered.joined", lambda self, f, task, *_: nullcontext(task))
    monkeypatch.setattr("skaprof.cluster.tasks.ClusterTasks", Backwards)
    done = train("--cluster", "local:2", "--output", "cluster.jsonl")
    assert done.returncode == 0, done.stderr
    found = list(read_results(folder / "cluster.jsonl", "test").records)
    own = {"host", "environment", "reruns", TIMED}
    assert [{key: value for key, value in row.as_dict().items() if key not in own} for row in found] == [
        {key: value for key, value in row.as_dict().items() if key not in own} for row in whole
    ]
    assert {row.host for row in of(found, TrainedRow)} == {f"node{place}" for place in range(8)}
    done = train("--cluster", "local:2", "--output", "crash.jsonl")
    assert done.returncode == 1
    assert "1 of 8 networks were not trained to their end:\n  tiny.toml[stage1=ska], seed 0: its worker was lost" in (
        done.stderr
    )
    assert len(of(list(read_results(folder / "crash.jsonl", "test").records), TrainedRow)) == 7
    done = train("--cluster", "local:2", "--weights", "weights")
    assert (done.returncode, done.stderr.partition(": ")[2][:30]) == (2, "--weights: expected without --")


def test_all_shards_merged_are_the_unbroken_run_with_its_verdicts(
    train: Train, skaprof: Run, whole: list[Any], folder: Path
) -> None:
    for number in (1, 2):
        done = train("--shard", f"{number}/2", "--output", f"shard-{number}.jsonl")
        assert done.returncode == 0, done.stderr
        assert f"Shard {number}/2: skaprof merge draws the verdicts, of all networks." in done.stdout
        rows = list(read_results(folder / f"shard-{number}.jsonl", "test").records)
        assert (len({run.model for run in of(rows, TrainedRow)}), of(rows, VerdictRow)) == (2, [])
    done = skaprof("merge", "shard-2.jsonl", "shard-1.jsonl", "-o", "merged.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "baseline" in done.stdout
    rows = list(read_results(folder / "merged.jsonl", "test").records)
    assert timeless([row.replace(environment=None) if "environment" in row.fields else row for row in rows]) == (
        timeless(whole)
    )
    done = train("--shard", "1/2", "--plot", "a.png")
    assert "--plot: a shard has no verdicts" in done.stderr
    assert "at most 4 shards: there are so many networks" in train("--shard", "1/5").stderr


def test_seeds_of_one_network_by_several_learning_rates_are_not_merged(folder: Path, skaprof: Run) -> None:
    head, *lines = (folder / "shard-1.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    later = [{**row, "seed": row["seed"] + 2, "learning_rate": 0.5} for row in rows if "status" in row]
    (folder / "later.jsonl").write_text("".join(f"{line}\n" for line in (head, *map(json.dumps, later))))
    done = skaprof("merge", "shard-1.jsonl", "later.jsonl", "-o", "mixed.jsonl", cwd=folder)
    assert done.returncode == 2
    assert "'tiny.toml' has learning_rate " in done.stderr
    assert not (folder / "mixed.jsonl").exists()


def test_a_row_has_the_score_of_the_saved_weights(whole: list[Any], folder: Path) -> None:
    row = of(whole, TrainedRow)[0]
    kept = torch.load(folder / "weights" / "tiny.toml-seed0.pt", weights_only=True)
    assert (kept["model"], kept["height"], kept["classes"], kept["seed"]) == ("tiny.toml", 8, 2, 0)
    entered = contenders([str(folder / "tiny.toml")], (8, 8), 2)[0]
    module = build(entered.network, RECIPE, 1)
    module.load_state_dict(kept["state_dict"])
    found = arrays()
    images = (torch.from_numpy(found["test_images"]).float() - kept["mean"][0]) / kept["std"][0]
    logits = module.eval()(images[:, None].expand(-1, 3, -1, -1)).detach()
    right = (logits.argmax(1) == torch.from_numpy(found["test_labels"])).numpy()
    assert row.accuracy == right.mean()
    assert row.hits == np.packbits(right).tobytes().hex()
    assert (row.params, row.macs) == (sum(p.numel() for p in module.parameters()), entered.cost.macs)


@pytest.mark.parametrize("steps", [3, 100])
def test_a_run_that_was_killed_and_resumed_equals_an_unbroken_one_bit_for_bit(
    train: Train, whole: list[Any], folder: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Killed after a number of steps in all, of a trial and of runs; the last state saved is one step before."""
    advance, done = Training.advance, []

    def until_killed(self: Training) -> None:
        done.append(0)
        if len(done) > steps - 2:
            sessions.SAVED_EVERY = 0.0  # put back by monkeypatch
        if len(done) > steps:
            raise KeyboardInterrupt
        advance(self)

    with monkeypatch.context() as patched:
        patched.setattr(sessions, "SAVED_EVERY", sessions.SAVED_EVERY)
        patched.setattr(Training, "advance", until_killed)
        killed = train("--output", f"{steps}.jsonl", "--weights", f"{steps}")
    assert killed.returncode == 130
    assert "interrupted after" in killed.stderr
    assert (folder / f"{steps}.jsonl.checkpoint").exists()
    went_on = train("--resume", f"{steps}.jsonl", "--weights", f"{steps}")
    assert went_on.returncode == 0, went_on.stderr
    assert "goes on at step" in went_on.stderr
    rows = list(read_results(folder / f"{steps}.jsonl", "test").records)
    assert timeless(rows) == timeless(whole)
    assert not (folder / f"{steps}.jsonl.checkpoint").exists()
    for path in (folder / f"{steps}").iterdir():
        ours, theirs = (
            torch.load(at, weights_only=True)["state_dict"] for at in (path, folder / "weights" / path.name)
        )
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_cannot_be_resumed_is_refused_by_name(
    train: Train, whole: list[Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (folder / "whole.jsonl").read_text()

    def said(*arguments: str, models: tuple[str, ...] = MODELS) -> str:
        done = train(*arguments, models=models)
        assert done.returncode == 2
        assert (folder / "whole.jsonl").read_text() == text
        return str(done.stderr)

    assert "was measured with epochs 2: expected 3" in said("--resume", "whole.jsonl", "--epochs", "3")
    assert "was measured with data_hash" in said("--resume", "whole.jsonl", "--train-images", "20")
    assert "is there already" in said("--output", "whole.jsonl")
    with monkeypatch.context() as patched:
        patched.setattr(sessions, "code_hash", lambda: "another")
        assert re.search(
            "measured with training_code '[0-9a-f]{12}': expected 'another'", said("--resume", "whole.jsonl")
        )
    (folder / "other").mkdir()
    (folder / "other/tiny.toml").write_text(TINY.replace("depth = 2", "depth = 1"))
    (folder / "named.jsonl").write_text(text.replace("tiny.toml", "other/tiny.toml"))
    other = said("--resume", "named.jsonl", models=("--model", "other/tiny.toml"))
    assert "has another network called 'other/tiny.toml'" in other
    (folder / "whole.jsonl.checkpoint").write_bytes(b"no checkpoint")
    assert "is no checkpoint that loads without running code" in said("--resume", "whole.jsonl", "--seeds", "3")
    torch.save({"run": {"model": "vit", "seed": 7}, "state": {}}, folder / "whole.jsonl.checkpoint")
    assert "is of another run, of 'vit' with seed '7'" in said("--resume", "whole.jsonl", "--seeds", "3")
    (folder / "whole.jsonl.checkpoint").unlink()


def test_the_code_that_trains_is_known_by_its_source(tmp_path: Path) -> None:
    ours = Path(skaprof_package.__file__).parent
    found = {code_hash(), code_hash(ours)}
    for package in ("model", "nn", "train", "report"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "a.py").write_text("a = 1\n")
    for package in ("model", "nn", "train"):
        found.add(code_hash(tmp_path))
        (tmp_path / package / "a.py").write_text("a = 2\n")
    found.add(code_hash(tmp_path))
    assert len(found) == 1 + 4
    (tmp_path / "report" / "a.py").write_text("a = 2\n")  # trains nothing
    assert code_hash(tmp_path) in found


def test_a_checkpoint_of_a_run_that_has_its_row_is_taken_away(train: Train, whole: list[Any], folder: Path) -> None:
    """Whoever is killed between the two goes on."""
    (folder / "late.jsonl").write_text((folder / "whole.jsonl").read_text())
    for is_trial, row in ((True, of(whole, TrialRow)[0]), (False, of(whole, TrainedRow)[-1])):
        keys = ("model", "seed", "learning_rate", "model_hash", "recipe_hash", "data_hash")
        run = {key: getattr(row, key) for key in keys} | {"is_trial": is_trial}
        torch.save({"run": run, "state": {}}, folder / "late.jsonl.checkpoint")
        done = train("--resume", "late.jsonl")
        assert done.returncode == 0, done.stderr
        assert not (folder / "late.jsonl.checkpoint").exists()


def test_resuming_what_is_whole_trains_nothing_and_more_seeds_go_on(
    train: Train, whole: list[Any], folder: Path
) -> None:
    (folder / "more.jsonl").write_text((folder / "whole.jsonl").read_text())
    again = train("--resume", "more.jsonl", "--format", "json")
    assert timeless([*of(whole, TrialRow), *of(whole, TrainedRow)]) == [
        {key: value for key, value in row.items() if key != TIMED}
        for row in json.loads(again.stdout)["rows"]
        if "model_hash" in row
    ]
    more = train("--resume", "more.jsonl", "--seeds", "3", "--format", "csv")
    assert more.stderr.count("seed 2") == 4
    assert "learning rate" not in more.stderr


def test_the_page_says_what_there_is_to_say(train: Train, whole: list[Any], folder: Path) -> None:
    page = train("--resume", "whole.jsonl", "--margin", "60", "--plot", "differences.svg").stdout
    assert page.startswith("images.npz, 8 x 8, 2 classes, 40 training and 20 test images, 2 epochs, 2 seeds\n")
    assert "This data cannot tell mixers apart: identity" in page
    assert f"{SKA}: " in page
    assert f"Recipe {RECIPE.hash}: AdamW, batch 10, learning rate of 0.01, 0.03 by held-out images" in page
    assert "The test images can show differences of" in page
    drawn = (folder / "differences.svg").read_text()
    assert all(color in drawn for color in ("stroke: #d55e00", "stroke: #999999", "stroke: #56b4e9"))  # ska, controls


def test_a_budget_ends_it_and_says_how_to_go_on(train: Train) -> None:
    done = train("--budget", "0.000001s", "--output", "spent.jsonl")
    assert done.returncode == 0
    assert "time ran out after 0 of 8 runs; --resume goes on" in done.stderr


def test_a_loss_that_is_no_number_is_a_row_and_a_verdict(
    train: Train, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    step = Training._step

    def broken(self: Training) -> float:
        is_ska = any("scores.key" in name for name, _ in self.module.named_parameters())
        return float("nan") if is_ska and self.step == 1 else step(self)

    monkeypatch.setattr(Training, "_step", broken)
    done = train("--output", "diverged.jsonl", "--learning-rate", "0.01")
    assert done.returncode == 0
    assert f"{SKA}: diverged, or the baseline did" in done.stdout
    rows = read_results(folder / "diverged.jsonl", "test").records
    found = {row.model: row for row in rows if isinstance(row, TrainedRow)}
    assert (found[SKA].status, found[SKA].accuracy, found[SKA].hits) == (DIVERGED, None, None)
    assert found["tiny.toml"].status == TRAINED
    assert [row.verdict == DIVERGED for row in rows if isinstance(row, VerdictRow)] == [True, False, False]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--model: missing"),
        (("--model", "vit_micro"), "--data: missing"),
        (("--model", "vit_micro", "--data", "no"), "--data: 'no' is not valid: expected one of digits, mnist"),
        (("--model", "vit_micro", "--data", "images.npz", "--seeds", "0"), "--seeds"),
        (("--model", "vit_micro", "--data", "images.npz", "--match", "size"), "--match: 'size' is not valid"),
        (("--model", "vit_micro", "--data", "images.npz", "--budget", "soon"), "--budget"),
        (("--model", "vit_micro", "--data", "images.npz", "--train-images", "41"), "at most 40, which images.npz has"),
        (("--model", "vit_tiny", "--data", "images.npz"), "--data"),  # a patch of 16 pixels
        (("--model", "vit_micro", "--model", "vit_micro[stage1=mhsa]", "--data", "images.npz"), "are one network"),
        (("recipe", "bad.toml"), "bad.toml', line 1: epochs"),
    ],
)
def test_bad_input_is_told_in_one_line(skaprof: Run, folder: Path, arguments: tuple[str, ...], said: str) -> None:
    (folder / "bad.toml").write_text("epochs = 0\n")
    done = skaprof("accuracy", *arguments, cwd=folder)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_recipe_prints_as_the_file_that_reads_as_it(skaprof: Run, folder: Path) -> None:
    printed = skaprof("accuracy", "recipe", "recipe.toml", cwd=folder).stdout
    assert printed == recipe_text(RECIPE)
    assert f"# recipe {Recipe().hash}" in skaprof("accuracy", "recipe").stdout
    assert len({Recipe().hash, RECIPE.hash, Recipe(flips=True).hash}) == 3


def training_of(model: str, seed: int) -> Training:
    data = checked("tiny", list(arrays().values()))
    entered = contenders([model], data.size, data.classes)[0]
    return Training(entered.network, RECIPE, seed, 0.01, pictures_of(data, "cpu")[0], np.arange(40))


def test_networks_with_one_seed_share_weights_by_name_and_see_the_same_images(folder: Path) -> None:
    ours, theirs, other = (
        training_of(str(folder / name), seed) for name, seed in (("tiny.toml", 3), (SKA, 3), ("tiny.toml", 4))
    )
    mine, yours, others = (dict(each.module.named_parameters()) for each in (ours, theirs, other))
    shared = [name for name in mine if name in yours]
    assert {"stem.position.weight", "stage1.block1.mixer.query.weight", "head.classifier.weight"} <= set(shared)
    assert all(torch.equal(mine[name], yours[name]) for name in shared)
    assert not torch.equal(mine["stem.position.weight"], others["stem.position.weight"])
    assert not torch.equal(mine["stage1.block1.mixer.query.weight"], mine["stage1.block2.mixer.query.weight"])
    for _ in range(5):  # into the second epoch
        (places, mirrored), (their_places, their_mirrored) = ours._places(), theirs._places()
        assert torch.equal(places, their_places)
        assert torch.equal(mirrored, their_mirrored)
        assert not torch.equal(places, other._places()[0])
        for each in (ours, theirs, other):
            each.step += 1
    seen = [ours._places()[0].tolist() for ours.step in range(4, 8)]
    assert sorted(place for batch in seen for place in batch) == list(range(40))


def test_positions_start_with_the_spread_asked_for(folder: Path) -> None:
    for std in (1.0, 0.02):
        entered = contenders([str(folder / "tiny.toml")], (64, 64), 2, position_std=std)[0]
        position = dict(build(entered.network, Recipe(), 0).named_parameters())["stem.position.weight"]
        assert position.std().item() == pytest.approx(std, rel=0.1)


def test_the_learning_rate_rises_in_a_line_and_falls_along_a_cosine() -> None:
    rates = [rate_at(step, 100, 0.1, 2.0) for step in range(100)]
    assert rates[:3] == pytest.approx([0.2, 0.4, 0.6])
    assert rates[9] == rates[10] == 2.0
    assert rates[55] == pytest.approx(1.0)
    assert rates[99] < 0.01


def test_contenders_are_matched_by_heads_and_head_dim() -> None:
    """CSKA with heads of 3 has 0.98 times the MACs of MHSA with heads of 8."""
    base, cska = contenders(["vit_micro", "vit_micro[stage1=cska]"], (28, 28), 10, match="macs")[:2]
    assert cska.name == "vit_micro[stage1=cska:heads=4:head_dim=3]"
    assert cska.cost.macs / base.cost.macs == pytest.approx(0.98, abs=0.005)
    base, ska = contenders(["vit_micro", "vit_micro[stage1=ska]"], (28, 28), 10, match="params")[:2]
    assert abs(ska.cost.params / base.cost.params - 1) < 0.02
    assert ska.network.stages[0].workload.heads == 4


def test_a_control_that_is_named_is_one_and_runs_once() -> None:
    entered = contenders(["vit_micro", "vit_micro[stage1=identity]"], (28, 28), 10)
    assert [(each.name, each.is_control) for each in entered] == [
        ("vit_micro", False),
        ("vit_micro[stage1=identity]", True),
        ("vit_micro[stage1=pooling]", True),
    ]
    staged = contenders(["caformer_s18", "caformer_s18[stage3=ska]"], (64, 64), 10)
    assert [each.name for each in staged[2:]] == ["caformer_s18[stage3=identity]", "caformer_s18[stage3=pooling]"]


def run_row(model: str, seed: int, right: list[int], mixers: str = "mhsa", *, is_control: bool = False) -> TrainedRow:
    return TrainedRow(
        model=model,
        mixers=mixers,
        data="tiny",
        seed=seed,
        learning_rate=0.01,
        status=TRAINED,
        recipe_hash="r",
        data_hash="d",
        model_hash=model,
        accuracy=sum(right) / len(right),
        nll=1.0,
        params=1,
        macs=1,
        image_height=8,
        image_width=8,
        classes=2,
        epochs=1,
        train_images=40,
        test_images=len(right),
        train_images_per_cpu_s=1.0,
        is_control=is_control,
        hits=np.packbits(np.array(right, bool)).tobytes().hex(),
    )


def test_a_verdict_is_over_the_seeds_that_all_have_and_the_test_images_bound_what_it_shows() -> None:
    rows = [run_row("base", seed, [1, 1, 0, 0, 1, 0, 1, 0, 0, 0]) for seed in (0, 1, 2)]
    rows += [run_row("ska", seed, [1, 1, 1, 0, 1, 0, 1, 0, 0, 0]) for seed in (0, 1)]
    rows += [run_row("none", seed, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0], "identity", is_control=True) for seed in (1, 0)]
    ska, none = verdict_rows(rows)
    assert (ska.seeds, ska.baseline_accuracy, ska.tells_apart) == (2, 0.4, True)
    assert ska.difference == pytest.approx(10)
    assert none.difference == pytest.approx(-20)
    assert ska.smallest_difference == pytest.approx(100 * 1.96 * np.std([1] + [0] * 9, ddof=1) / 10**0.5)
    assert verdict_rows(rows[:3]) == []
    assert verdict_rows(rows, margin=30.0)[0].tells_apart is False
    for detectable, said in (
        (99.0, "2 seeds find differences of 99 points"),
        (587.0, "2 seeds at this spread find no"),
    ):
        told = sentences(rows, [], [ska.replace(detectable=detectable)], {**RECIPE._asdict(), "recipe_hash": "r"})
        assert [said in sentence for sentence in told].count(True) == 1


def test_the_committed_verdicts_are_those_of_the_committed_runs_and_the_docs_show_them() -> None:
    rows = list(read_results(ROOT / "reports" / "accuracy" / "runs.jsonl", "test").records)
    runs, verdicts = of(rows, TrainedRow), of(rows, VerdictRow)
    page, shown = (ROOT / "docs" / "accuracy.md").read_text(), []
    for found, row in zip(verdict_rows(runs), verdicts, strict=True):
        assert found.verdict == row.verdict
        assert (found.low, found.difference, found.high) == pytest.approx((row.low, row.difference, row.high))
        shown.append(f"{row.difference:+.2f}   {row.low:+.2f} to {row.high:+.2f}   {row.verdict}\n" in page)
    assert shown == [True] * 4
    assert len(runs) == 25
