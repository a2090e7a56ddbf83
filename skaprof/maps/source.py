"""The network whose attention is looked at: a backbone or a model of the user's own, with weights or as built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from skaprof.errors import SkaprofError, named
from skaprof.foreign_model import UserModel
from skaprof.maps.checkpoint import Weights, load_state
from skaprof.model.choice import Choice
from skaprof.model.network import make_network
from skaprof.nn.backbones import build_network
from skaprof.nn.user_model import built_model, dtype_of

_MOST_CLASS_TOKENS = 8
_CLASSIFIER = "head.classifier.weight"


class Place(NamedTuple):
    """Where a layer's tokens lie: the grid (rows, columns), and the tokens before it that have no place on it."""

    mixer: str | None
    grid: tuple[int, int] | None
    class_tokens: int = 0


class Source(NamedTuple):
    """A model in evaluation mode and the image size it takes; `places` are those of layers that are known by name."""

    model: nn.Module
    name: str
    height: int
    width: int
    places: Mapping[str, Place] = {}

    def place(self, scope: str, tokens: int) -> Place:
        """Where a layer's tokens lie; of a model of the user's own as the image's sides say, class tokens first."""
        known = self.places.get(scope.partition(" ")[0])
        if known is not None:
            return known
        module = type(self.model.get_submodule(scope.partition(" ")[0])).__name__
        for class_tokens in range(min(tokens, _MOST_CLASS_TOKENS + 1)):
            positions = tokens - class_tokens
            rows = round((positions * self.height / self.width) ** 0.5)
            if rows and positions % rows == 0 and rows * self.width == positions // rows * self.height:
                return Place(module, (rows, positions // rows), class_tokens)
        return Place(module, None)

    def takes(self, image: Tensor) -> Tensor:
        """The image in the dtype of the model."""
        return image.to(dtype_of(self.model))


def backbone_source(
    choice: Choice, name: str, size: tuple[int, int] | None, weights: Weights | None, size_of: str = named("resolution")
) -> Source:
    """A backbone at an image size, its own where None; with the weights of a checkpoint, or as drawn from seed 0.

    `size_of` is what says the size, for messages.

    Raises:
        SkaprofError: a size that does not fit, or a checkpoint of another network.
    """
    if weights is not None and _CLASSIFIER in weights.state:
        choice = choice._replace(backbone=choice.backbone._replace(classes=len(weights.state[_CLASSIFIER])))
    height, width = size or (choice.backbone.resolution,) * 2
    network = make_network(choice, height, width, option=size_of)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_network(network).eval()
    if weights is not None:
        load_state(weights, model, f"{name} at {height} x {width} pixels")
    places = {
        f"stage{number}.block{block}.mixer": Place(
            mixer.spec.text, (mixer.workload.height, mixer.workload.width), mixer.workload.class_tokens
        )
        for number, placed in enumerate(network.stages, start=1)
        for block, mixer in enumerate(placed.blocks, start=1)
    }
    return Source(model, name, height, width, places)


def user_source(user: UserModel, option: str, weights: Weights | None) -> Source:
    """A model of the user's own, with the weights of a checkpoint, or as it is built.

    Raises:
        SkaprofError: it cannot be built; it takes no single image; or the checkpoint is of another model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, call = built_model(user, "cpu", option)
    shapes = [tuple(tensor.shape) for tensor in call.tensors]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1] != 3:
        raise SkaprofError(f"{option}: {user.path} is called with {call.text}: expected one image, 1x3xHxW")
    if weights is not None:
        load_state(weights, model, user.path)
    return Source(model.eval(), user.path, *shapes[0][2:])
