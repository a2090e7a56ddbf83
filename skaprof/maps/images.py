"""Images from files, as a network sees them."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from skaprof.errors import SkaprofError, bad_value, needing, shown_path

MOST_PIXELS = 100_000_000
"""Larger images are refused before they are decoded."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the training images of ImageNet, a channel; what networks trained on them expect taken off and divided by."""


def read_image(name: str, path: str, height: int, width: int, *, is_grey: bool = False) -> Tensor:
    """The image (1, 3, height, width), 0 to 1: its middle, of the sides asked for once the image is resized to cover
    them. Grey, as it is or to be, becomes three channels. `name` is what the user knows the path by.

    Raises:
        SkaprofError: it cannot be read, or is too large.
    """
    with needing("reading images"):
        from PIL import Image, ImageOps
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            if image.width * image.height > MOST_PIXELS:
                raise SkaprofError(
                    f"{name}: {shown_path(path)} has {image.width:,} x {image.height:,} pixels: expected at most "
                    f"{MOST_PIXELS:,}"
                )
            upright = ImageOps.exif_transpose(image)
            colours = (upright.convert("L") if is_grey else upright).convert("RGB")
            fitted = ImageOps.fit(colours, (width, height), Image.Resampling.BICUBIC)
    except FileNotFoundError:
        raise bad_value(name, path, "an image that exists") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        why = str(error).partition("\n")[0][:200]
        raise SkaprofError(f"{name}: {shown_path(path)} is no image that can be read: {why}") from None
    pixels = torch.frombuffer(bytearray(fitted.tobytes()), dtype=torch.uint8)
    return pixels.view(height, width, 3).permute(2, 0, 1)[None].float() / 255


def normalized(image: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """(image - mean) / std, a channel."""
    return (image - torch.tensor(mean).view(1, -1, 1, 1)) / torch.tensor(std).view(1, -1, 1, 1)
