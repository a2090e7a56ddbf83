"""Attention maps: what is seen of a model while it runs, what is measured of them, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import Run
from torch import Tensor, nn

from skaprof.errors import SkaprofError
from skaprof.maps import AttentionMap, attention_maps, entropy, score_rank, variation
from skaprof.maps.frozen import batches, frozen_output, mean_maps
from skaprof.model.choice import open_backbone
from skaprof.model.network import make_network
from skaprof.model.spec import parse_mixer
from skaprof.nn import build_mixer, build_network
from skaprof.nn.functional import static_key_attention
from skaprof.workload import Workload

W = Workload(1, 3, 4, 20, 2, 5, 3)
X = torch.randn(1, W.tokens, W.dim, generator=torch.Generator().manual_seed(3))


def mixer(text: str, form: str = "eager", w: Workload = W) -> nn.Module:
    torch.manual_seed(1)
    return build_mixer(parse_mixer(text), w, form)


def only(model: nn.Module, x: Tensor = X) -> AttentionMap:
    (found,) = attention_maps(model, x)
    return found


@pytest.mark.parametrize("text", ["mhsa", "ska", "cska", "ska:diagonal_mask=true", "mhsa:learned_temperature=true"])
def test_each_query_shares_its_attention_out_whole(text: str) -> None:
    weights = only(mixer(text)).weights
    assert weights.shape == (2, 12, 12)
    assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 12))


@pytest.mark.parametrize("text", ["mhsa", "ska", "cska"])
def test_the_fused_form_has_the_map_of_the_eager_form(text: str) -> None:
    eager, fused = mixer(text), mixer(text, "sdpa")
    fused.load_state_dict(eager.state_dict())
    assert torch.allclose(only(fused).weights, only(eager).weights, atol=1e-6)


def test_the_map_is_the_papers_softmax() -> None:
    """SKA: softmax(q K^T / sqrt(e)) with the learned key, heads of the queries side by side."""
    module = mixer("ska")
    assert isinstance(module.query, nn.Linear)
    q = module.query(X).unflatten(-1, (2, 5))[0].transpose(0, 1)
    expected = torch.softmax(q @ module.get_submodule("scores").key.transpose(-2, -1) * 5**-0.5, dim=-1)
    assert torch.allclose(only(module).weights, expected, atol=1e-6)


def test_a_diagonal_mask_leaves_the_diagonal_nothing_and_a_rank_is_not_sought() -> None:
    found = only(mixer("mhsa:diagonal_mask=true"))
    assert float(found.weights.diagonal(dim1=-2, dim2=-1).max()) == 0
    assert score_rank(found.scores) == [None, None]


def test_pytorchs_own_attention_is_seen_though_its_fast_path_shows_nothing() -> None:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(20, 2, batch_first=True).eval()
    expected = module(X, X, X, average_attn_weights=False)[1][0]
    layer = nn.TransformerEncoderLayer(20, 2, 40, batch_first=True).eval()
    layer.self_attn = module
    for need_weights in (True, False):
        wrapped = _Called(module, need_weights)
        assert torch.allclose(only(wrapped).weights, expected, atol=1e-6)
    found = only(layer)
    assert (found.scope, torch.allclose(found.weights, expected, atol=1e-6)) == ("self_attn", True)
    assert torch.backends.mha.get_fastpath_enabled()


class _Called(nn.Module):
    def __init__(self, attention: nn.Module, need_weights: bool) -> None:
        super().__init__()
        self.attention, self.need_weights = attention, need_weights

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.attention(x, x, x, need_weights=self.need_weights)[0]
        return output


class _Windowed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        parts = x.view(3, 2, 4, 10)
        return F.scaled_dot_product_attention(parts, parts, parts)


class _Tiled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        heads = x.unflatten(-1, (2, 10)).transpose(1, 2)
        return static_key_attention(heads, heads, heads, tile=4)


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (_Tiled(), "no attention map was seen.*scaled_dot_product_attention.*tile by tile"),
        (nn.Linear(20, 20), "no attention map was seen"),
        (_Windowed(), "attends within windows"),
    ],
    ids=["tiled", "none", "windows"],
)
def test_where_nothing_can_be_seen_the_message_says_what_would_do(module: nn.Module, why: str) -> None:
    with pytest.raises(SkaprofError, match=why):
        attention_maps(module, X)


def test_several_images_at_once_are_refused() -> None:
    with pytest.raises(SkaprofError, match="expected one image"):
        attention_maps(mixer("mhsa"), X.expand(2, -1, -1))


def test_uniform_attention_has_entropy_1_and_attention_to_one_key_0() -> None:
    maps = torch.stack((torch.full((7, 7), 1 / 7), torch.eye(7)))
    assert entropy(maps).tolist() == pytest.approx([1, 0])


def test_variation_is_0_of_one_image_twice_and_1_where_nothing_is_in_common() -> None:
    apart = torch.eye(6)[None], torch.eye(6).roll(1, dims=1)[None]
    assert variation([apart[0]] * 3).tolist() == [0]
    assert variation(apart).tolist() == [1]
    assert variation([*apart, apart[0]]).tolist() == pytest.approx([2 / 3])


def test_a_rank_is_that_of_queries_and_keys() -> None:
    """At most head_dim; of CSKA's 3 x 3 convolution 9 times that, and 1 for the bias."""
    w = Workload(1, 5, 6, 20, 2, 2, 3)
    x = torch.randn(1, w.tokens, w.dim, generator=torch.Generator().manual_seed(3))
    ranks = {text: score_rank(only(mixer(text, w=w), x).scores) for text in ("mhsa", "ska", "cska")}
    assert ranks == {"mhsa": [2, 2], "ska": [2, 2], "cska": [19, 19]}


@pytest.mark.parametrize("layout", ["mhsa", "ska", "torch"])
def test_maps_frozen_to_those_of_an_image_change_nothing_there_and_act_alike_in_a_batch(layout: str) -> None:
    """Images before heads, heads before images, or both in one axis."""
    torch.manual_seed(0)
    model = _Called(nn.MultiheadAttention(20, 2, batch_first=True), True) if layout == "torch" else mixer(layout)
    images = torch.randn(5, W.tokens, W.dim)
    own = mean_maps(model, images[:1])
    with torch.no_grad():
        assert torch.allclose(frozen_output(model, images[:1], own), model(images[:1]), atol=1e-6)
    means = mean_maps(model, images)
    assert torch.allclose(means[0], torch.stack([only(model, image[None]).weights for image in images]).mean(0))
    batch = frozen_output(model, images, means, layer=0, head=1)
    alone = torch.cat([frozen_output(model, image[None], means, layer=0, head=1) for image in images])
    assert torch.allclose(batch, alone, atol=1e-6)
    assert not torch.allclose(batch, frozen_output(model, images, means), atol=1e-3)


def test_no_batch_has_as_many_images_as_a_layer_has_heads() -> None:
    sizes = [len(batch) for batch in batches(torch.zeros(67), [3, 64, 2])]
    assert sum(sizes) == 67
    assert not {2, 3, 64} & set(sizes)


TINY = """
resolution = 32
head_dim = 4
[stem]
kernel_size = 8
stride = 8
padding = 0
[[stages]]
depth = 1
dim = 8
mixer = "mhsa"
[[stages]]
depth = 1
dim = 12
mixer = "ska"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small backbone, its weights, and two images of other sizes."""
    from PIL import Image

    where = tmp_path_factory.mktemp("attention")
    (where / "tiny.toml").write_text(TINY)
    torch.manual_seed(7)
    torch.save(
        build_network(make_network(open_backbone(str(where / "tiny.toml")), 32, 32)).state_dict(), where / "w.pt"
    )
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(where / "a.png")
    Image.fromarray(255 - noise[:, :, 0]).save(where / "grey.jpg")
    return where


def look(skaprof: Run, folder: Path, *arguments: str) -> Any:
    return skaprof("attention", str(folder / "w.pt"), "--image", str(folder / "a.png"), *arguments)


def test_a_checkpoint_gives_pictures_and_a_row_a_head(skaprof: Run, folder: Path) -> None:
    into = str(folder / "maps")
    more = ("--image", str(folder / "grey.jpg"), "--model", str(folder / "tiny.toml"), "--output", into)
    done = look(skaprof, folder, *more, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [(row["layer"], row["head"], row["tokens"], row["mixer"]) for row in rows] == [
        *((1, head, 16, "mhsa") for head in (1, 2)),
        *((2, head, 4, "ska") for head in (1, 2, 3)),
    ]
    assert all(0 < row["entropy"] < 1 and 0 < row["variation_between_images"] < 1 for row in rows)
    assert [row["score_rank"] for row in rows[:2]] == [4, 4]
    names = {f"{name}{part}{end}" for name in ("maps", "received", "query") for part in ("", "_heads") for end in _ENDS}
    assert {path.name for path in Path(into).iterdir()} == {*names, "attention.json"}
    assert json.loads((Path(into) / "attention.json").read_text())["rows"] == rows
    again = look(skaprof, folder, *more)
    assert (again.returncode, "--force" in again.stderr) == (2, True)


_ENDS = (".png", ".svg")


def test_maps_frozen_to_their_mean_are_scored_by_head_by_layer_and_all_together(skaprof: Run, folder: Path) -> None:
    """One head is the same for all images: nothing is lost with it. The other tells the classes: all is lost."""
    from skaprof.maps.frozen_rows import Labelled, frozen_rows
    from skaprof.maps.rows import attention_rows, maps_of_images
    from skaprof.maps.source import Source

    labels = np.arange(20) % 2
    alike = np.broadcast_to(255 * labels[:, None, None, None], (20, 4, 4, 3)).astype(np.uint8)
    names = ("train_images", "train_labels", "test_images", "test_labels")
    np.savez(folder / "alike.npz", **dict(zip(names, (alike, labels, alike, labels), strict=True)))
    source = Source(_Telling(), "telling", 4, 4)
    labelled = Labelled(str(folder / "alike.npz"), source)
    rows = attention_rows(source, maps_of_images(source, labelled.images[:1].split(1), []), "a", None)
    shares: list[float] = []
    found = frozen_rows(source, rows, labelled, shares.append)
    assert [(row.layer, row.head) for row in found] == [(1, 1), (1, 2), (1, None), (None, None)]
    assert {row.accuracy for row in found} == {1.0}
    assert [row.frozen_accuracy for row in found] == [1.0, 0.5, 0.5, 0.5]
    assert shares[-1] == 1


class _Telling(nn.Module):
    """Two heads over 16 pixels: one attends to all alike, one to the last pixel of bright images, else to the first."""

    def forward(self, images: Tensor) -> Tensor:
        scores = torch.zeros(len(images), 2, 16, 16)
        scores[torch.arange(len(images)), 1, :, 15 * (images[:, 0, 0, 0] > 0)] = 100.0
        return torch.softmax(scores, dim=-1)[:, 1, 0, [0, 15]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "vit_cifar"), "is of another network than vit_cifar at 32 x 32 pixels: it lacks"),
        (("--model", "tiny.toml", "--resolution", "64"), r"has in other shapes .*key \(3, 4, 4\), not \(3, 16, 4\)"),
        ((), "does not say which network it is of: expected --model"),
        (("--model", "tiny.toml", "--query", "32x0"), "--query: '32x0' is not valid"),
        (("--model", "tiny.toml", "--std", "0"), "--std: '0' is not valid"),
        (("--model", "tiny.toml", "--image", "tiny.toml"), "is no image that can be read"),
        (("--model", "tiny.toml", "--image", "none.png"), "expected an image that exists"),
    ],
)
def test_what_does_not_fit_is_one_message(
    skaprof: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    import re

    monkeypatch.chdir(folder)
    done = look(skaprof, folder, "--output", str(folder / "none"), *arguments)
    assert done.returncode == 2
    assert re.search(said, done.stderr), done.stderr
    assert not (folder / "none").exists()


def test_an_image_size_that_does_not_fit_is_the_checkpoints_where_it_says_one(skaprof: Run, folder: Path) -> None:
    state = torch.load(folder / "w.pt", weights_only=True)
    about = {"format": "skaprof", "model": "vit_micro", "height": 28, "width": 28, "mean": [0.0], "std": [1.0]}
    torch.save({**about, "state_dict": state}, folder / "small.pt")
    done = skaprof(
        *("attention", str(folder / "small.pt"), "--model", "vit_tiny", "--image", str(folder / "a.png")),
        *("--output", str(folder / "none")),
    )
    assert done.returncode == 2
    assert "image size of" in done.stderr
    assert "small.pt', which is of vit_micro: '28' is not valid: expected sides that the patch" in done.stderr
    assert "--resolution" not in done.stderr


def test_a_file_that_would_run_code_is_refused(skaprof: Run, folder: Path) -> None:
    torch.save(nn.Linear(2, 2), folder / "module.pt")
    done = skaprof(
        *("attention", str(folder / "module.pt"), "--model", "vit_cifar", "--image", str(folder / "a.png")),
        *("--output", str(folder / "none")),
    )
    assert (done.returncode, "without running code" in done.stderr) == (2, True)
