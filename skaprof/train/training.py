"""One network on its way through its epochs: a plain loop whose whole state can be saved and taken up again.

Nothing depends on when a run was interrupted: order, flips and dropped paths come from generators of their own, by seed
and epoch, so that networks see the same images in the same order with the same seed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skaprof.model.network import Network
from skaprof.nn.backbones import BackboneNetwork, build_network
from skaprof.nn.drop_path import add_drop_paths
from skaprof.nn.initial import draw_weights, seed_of
from skaprof.train.images import Array, Images
from skaprof.train.recipe import Recipe

_SCORED = 500
"""Images scored at a time."""
_PLACED = ("position.weight", "class_token.weight")
"""How parameters' names end that weight decay spares though they are no biases or norms."""


class Score(NamedTuple):
    """Of a network on images: which are right, a boolean each, and the mean negative log likelihood in nats."""

    right: Array
    nll: float

    @property
    def accuracy(self) -> float:
        """The share that is right."""
        return float(self.right.mean())


class Pictures:
    """Images and labels on a device, normalised a batch at a time: the training images have mean 0 and variance 1."""

    def __init__(self, images: Array, labels: Array, moments: tuple[list[float], list[float]], device: str) -> None:
        self.images, self.labels = (torch.tensor(array, device=device) for array in (images, labels))
        self.mean, self.deviation = (torch.tensor(each, device=device).view(1, -1, 1, 1) for each in moments)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, places: Tensor, mirrored: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The images (B, 3, H, W) at these places, some mirrored left to right, and their labels (B,)."""
        places = places.to(self.labels.device)
        x = (self.images[places].float() - self.mean) / self.deviation
        if mirrored is not None:
            x = torch.where(mirrored.to(x.device).view(-1, 1, 1, 1), x.flip(3), x)
        return x.expand(-1, 3, -1, -1), self.labels[places]


def pictures_of(data: Images, device: str) -> tuple[Pictures, Pictures]:
    """The training and the test images of a data set."""
    moments = data.moments()
    return (
        Pictures(data.train_images, data.train_labels, moments, device),
        Pictures(data.test_images, data.test_labels, moments, device),
    )


class Training:
    """A network, its optimizer and how far it is. `losses` that are no number end it: it has diverged."""

    def __init__(
        self, network: Network, recipe: Recipe, seed: int, learning_rate: float, pictures: Pictures, places: Array
    ) -> None:
        """`places` are those of the images to train on."""
        self.recipe, self.seed, self.learning_rate = recipe, seed, learning_rate
        self.pictures, self.places = pictures, torch.from_numpy(places)
        self.device = pictures.labels.device
        self.module = build(network, recipe, seed).to(self.device)
        self.optimizer = torch.optim.AdamW(_groups(self.module, recipe.weight_decay), lr=learning_rate, fused=True)
        self.step, self.cpu_seconds, self.diverged = 0, 0.0, False
        self.steps_an_epoch = math.ceil(len(places) / recipe.batch)
        self.steps = recipe.epochs * self.steps_an_epoch
        self._random = torch.Generator().manual_seed(seed_of(seed, "dropped")).get_state()
        self._epoch: tuple[int, Tensor, Tensor] | None = None

    @property
    def is_over(self) -> bool:
        """Whether all steps are done, or no more make sense."""
        return self.diverged or self.step >= self.steps

    def advance(self) -> None:
        """One step of the optimizer."""
        start = time.process_time()
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random)
            loss = self._step()
            self._random = torch.get_rng_state()
        self.diverged = not math.isfinite(loss)
        self.step += 1
        self.cpu_seconds += time.process_time() - start

    def _step(self) -> float:
        """The loss of the next batch, before its step."""
        self.module.train()
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step, self.steps, self.recipe.warmup, self.learning_rate)
        images, labels = self.pictures.batch(*self._places())
        loss = F.cross_entropy(self.module(images), labels, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def _places(self) -> tuple[Tensor, Tensor | None]:
        """The places of the next batch's images, and which of them are mirrored."""
        epoch, within = divmod(self.step, self.steps_an_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            order = torch.randperm(len(self.places), generator=_generator(self.seed, "order", epoch))
            coins = torch.rand(len(self.places), generator=_generator(self.seed, "flips", epoch)) < 0.5
            self._epoch = epoch, self.places[order], coins
        _, order, coins = self._epoch
        part = slice(within * self.recipe.batch, (within + 1) * self.recipe.batch)
        return order[part], coins[part] if self.recipe.flips else None

    @property
    def images_per_cpu_s(self) -> float | None:
        """Training images a second of CPU time; None on a GPU, and before any."""
        epoch, within = divmod(self.step, self.steps_an_epoch)
        seen = epoch * len(self.places) + within * self.recipe.batch
        return seen / self.cpu_seconds if self.cpu_seconds and self.device.type == "cpu" else None

    def state(self) -> dict[str, Any]:
        """All that the rest of the run depends on."""
        return {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "cpu_seconds": self.cpu_seconds,
            "diverged": self.diverged,
            "random": self._random,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`.

        Raises:
            KeyError, RuntimeError, ValueError, TypeError: it is not that of such a network.
        """
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.cpu_seconds = int(state["step"]), float(state["cpu_seconds"])
        self.diverged, self._random = bool(state["diverged"]), state["random"]

    def score(self, pictures: Pictures, places: Array | None = None) -> Score:
        """The network as it is now, on the images at these places, or on all."""
        return score(self.module, pictures, places)


def build(network: Network, recipe: Recipe, seed: int) -> BackboneNetwork:
    """The network with its initial weights, which depend on their names and the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "built"))
        module = build_network(network)
    draw_weights(module, seed, recipe.initialisation)
    add_drop_paths(module, recipe.drop_path)
    return module


def _groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The parameters that decay, and those that do not."""
    spared: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        (spared if parameter.dim() < 2 or name.endswith(_PLACED) else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def rate_at(step: int, steps: int, warmup: float, highest: float) -> float:
    """The learning rate of a step, from 0: a line up to the highest, then a cosine down to nearly 0."""
    rising = round(warmup * steps)
    if step < rising:
        return highest * (step + 1) / rising
    return highest * (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2


def score(module: nn.Module, pictures: Pictures, places: Array | None = None) -> Score:
    """How right a network is on the images at these places, or on all."""
    module.eval()
    chosen = torch.arange(len(pictures)) if places is None else torch.from_numpy(places)
    right, nll = [], 0.0
    with torch.inference_mode():
        for part in chosen.split(_SCORED):
            images, labels = pictures.batch(part)
            logits = module(images)
            right.append((logits.argmax(1) == labels).cpu())
            nll += float(F.cross_entropy(logits.double(), labels, reduction="sum"))
    return Score(np.asarray(torch.cat(right)), nll / len(chosen))


def _generator(seed: int, use: str, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed_of(seed, use, epoch))
