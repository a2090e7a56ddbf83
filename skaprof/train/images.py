"""Images to train on, and to score on: what they are, whether they fit, and the parts they are drawn in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from skaprof.errors import SkaprofError, bad_value, named, shown_path

Array = np.ndarray[Any, np.dtype[Any]]

MOST_BYTES = 4 * 2**30
"""Of all images of a data set, a byte a value."""
MOST_SIDE = 1024
"""Of an image, in pixels."""
MOST_CLASSES = 10_000
_FEWEST = 2
"""Images of a class to train on, at the least, so that one can be held out."""
_SPLIT_SEED = 0
_HASH_DIGITS = 12


class Images(NamedTuple):
    """Images (N, C, H, W) of bytes, C 1 or 3, and their classes (N,), to train on and to score on once."""

    name: str
    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.train_images.shape[2]), int(self.train_images.shape[3])

    @property
    def classes(self) -> int:
        """Classes, each from 0."""
        return int(self.train_labels.max()) + 1

    @property
    def hash(self) -> str:
        """The start of the SHA-256 of all images and labels."""
        digest = hashlib.sha256()
        for array in self[1:]:
            digest.update(repr((array.shape, str(array.dtype))).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:_HASH_DIGITS]

    def moments(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of each channel over the training images, in units of a byte."""
        counts = [np.bincount(channel.ravel(), minlength=256) for channel in self.train_images.transpose(1, 0, 2, 3)]
        values = np.arange(256)
        means = [float((count * values).sum() / count.sum()) for count in counts]
        pairs = zip(counts, means, strict=True)
        squares = [float((count * (values - mean) ** 2).sum() / count.sum()) for count, mean in pairs]
        return means, [max(1.0, square**0.5) for square in squares]


def checked(name: str, arrays: Sequence[Any]) -> Images:
    """The data set of these arrays: training images (N, H, W[, C]) and labels, test images and labels.

    Raises:
        SkaprofError: an array of another kind or shape, too large, labels that do not fit, or one class.
    """
    found = []
    for part, images, labels in (("train", *arrays[:2]), ("test", *arrays[2:])):
        found += [_images(name, f"{part}_images", images), _labels(name, f"{part}_labels", labels, len(images))]
    data = Images(name, *found)
    if data.train_images.shape[1:] != data.test_images.shape[1:]:
        raise _error(name, f"training and test images are of {_shapes(data)}: expected one size and as many channels")
    if data.train_images.nbytes + data.test_images.nbytes > MOST_BYTES:
        raise _error(name, f"its images are more than {MOST_BYTES // 2**30} GiB: expected fewer, or smaller ones")
    _require_classes(data)
    return data


def _images(name: str, part: str, images: Any) -> Array:
    """Images (N, C, H, W)."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        raise _error(name, f"{part} is {_kind(images)}: expected bytes (uint8)")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        raise _error(name, f"{part} is of shape {images.shape}: expected (N, H, W), (N, H, W, 1) or (N, H, W, 3)")
    if max(images.shape[1:3]) > MOST_SIDE:
        raise _error(name, f"{part} is of shape {images.shape}: expected sides of at most {MOST_SIDE:,} pixels")
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _labels(name: str, part: str, labels: Any, count: int) -> Array:
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu":
        raise _error(name, f"{part} is {_kind(labels)}: expected whole numbers")
    if labels.shape == (count, 1):
        labels = labels[:, 0]
    if labels.shape != (count,):
        raise _error(name, f"{part} is of shape {labels.shape}: expected ({count:,},), one an image")
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise _error(name, f"{part} goes from {labels.min()} to {labels.max()}: expected 0 to {MOST_CLASSES - 1:,}")
    return labels.astype(np.int64)


def _kind(value: Any) -> str:
    return f"of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _shapes(data: Images) -> str:
    return " and ".join(str(tuple(images.shape[1:])) for images in (data.train_images, data.test_images))


def _require_classes(data: Images) -> None:
    counts = np.bincount(data.train_labels)
    if len(counts) < 2:
        raise _error(data.name, "its training images are of one class: expected two or more")
    few = np.flatnonzero(counts < _FEWEST)
    if len(few):
        raise _error(
            data.name, f"class {few[0]} has {counts[few[0]]} training images: expected at least {_FEWEST} of each class"
        )
    if data.test_labels.max() >= len(counts):
        raise _error(
            data.name, f"test label {data.test_labels.max()} is of no training image: expected the same classes"
        )


def _error(name: str, what: str) -> SkaprofError:
    return SkaprofError(f"{named('data')}: {shown_path(name)}: {what}")


def first_images(data: Images, count: int | None) -> Images:
    """The data set with `count` of its training images, of each class in proportion, always the same; None: with all.

    Raises:
        SkaprofError: there are not so many, or a class would be left with too few.
    """
    if count is None or count == len(data.train_labels):
        return data
    if count > len(data.train_labels):
        raise bad_value(named("train_images"), count, f"at most {len(data.train_labels):,}, which {data.name} has")
    kept, _ = split(data.train_labels, count)
    chosen = data._replace(train_images=data.train_images[kept], train_labels=data.train_labels[kept])
    _require_classes(chosen)
    return chosen


def split(labels: Array, count: int) -> tuple[Array, Array]:
    """The places of `count` labels, of each class in proportion, and of the others, both in their order.

    Always the same ones: which images are held out is no part of a run's randomness.
    """
    shuffled = np.random.default_rng(_SPLIT_SEED).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    every = np.floor(np.arange(1, len(labels) + 1) * count / len(labels)).astype(np.int64)
    is_chosen = np.diff(every, prepend=0) > 0  # evenly along the classes
    return np.sort(by_class[is_chosen]), np.sort(by_class[~is_chosen])


def held_out(data: Images, share: float) -> tuple[Array, Array]:
    """The places of training images to train on, and of those held out to choose the learning rate by.

    Raises:
        SkaprofError: too few images for that: a class would have none to train on, or there would be none held out.
    """
    count = len(data.train_labels)
    kept, out = split(data.train_labels, count - round(share * count))
    missing = set(range(data.classes)) - set(data.train_labels[kept].tolist())
    if not len(out) or missing:
        raise _error(data.name, f"{count:,} training images are too few to hold out {share:.0%}: expected more")
    return kept, out
