"""What a lasting process is asked of a comparison of networks: whether it has the same images, and the row of a job.

Images and networks travel by name; what they hold is told by hashes, and where it differs nothing is trained.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from skaprof.errors import SkaprofError, named, needing, shown, shown_path

if TYPE_CHECKING:
    from skaprof.train.jobs import Asked
    from skaprof.train.running import Both


def machine(task: Mapping[str, Any]) -> dict[str, Any]:
    """The device by its name here, and the stamp of a training on it.

    Raises:
        SkaprofError: PyTorch is not installed, there is no such device, or the images or networks are not those.
    """
    with needing("training"):
        asked, _ = _prepared(json.dumps(task))
    return {"device": asked.device, "environment": _stamp(asked.device)}


def trained(task: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a job of what `asked` asks, and the stamp of what trained it."""
    from skaprof.bench.environment import load
    from skaprof.train.jobs import Job, identity_of
    from skaprof.train.running import begun, ended

    asked, pictures = _prepared(json.dumps(task["asked"]))
    contender = next(each for each in asked.contenders if each.name == task["model"])
    job = Job(contender, task["seed"], task["learning_rate"], task["is_trial"])
    training, out = begun(job, task["learning_rate"], asked, pictures)
    while not training.is_over:
        training.advance()
    row, _ = ended(job, asked, identity_of(job, asked, ()), training, pictures, out)
    return {"row": row.as_dict(), "environment": _stamp(asked.device) | {"load": load()}}


@cache
def _prepared(text: str) -> tuple[Asked, Both]:
    """What is asked, and its images on the device, once for all jobs."""
    from skaprof.analysis.contenders import contenders
    from skaprof.bench.environment import put_tf32, put_threads, resolve_device
    from skaprof.train.image_files import load_images
    from skaprof.train.images import first_images
    from skaprof.train.jobs import Asked, model_hash
    from skaprof.train.recipe import Recipe
    from skaprof.train.training import pictures_of

    task = json.loads(text)
    with suppress(OSError):  # then what is not found there says so
        os.chdir(task["folder"])
    size = None if task["size"] is None else tuple(task["size"])
    data = first_images(load_images(task["data"], size), task["count"])
    if data.hash != task["data_hash"]:
        raise SkaprofError(
            f"{named('data')}: {shown_path(task['data'])} holds other images, of hash {data.hash}: expected "
            f"{task['data_hash']}"
        )
    recipe = Recipe(**{**task["recipe"], "learning_rates": tuple(task["recipe"]["learning_rates"])})
    entered = contenders(task["models"], data.size, data.classes, recipe.position_std, task["match"], task["mixers"])
    for each in entered:
        if task["model_hashes"].get(each.name, model_hash(each)) != model_hash(each):
            raise SkaprofError(f"{named('model')}: {shown(each.name)} is another network: expected the same file")
    where = resolve_device(task["device"])
    put_tf32(False)
    put_threads(task["threads"])
    asked = Asked(entered, data, data.hash, recipe, 0, 0.0, where)
    return asked, pictures_of(data, where)


@cache
def _stamp(device: str) -> dict[str, Any]:
    from skaprof.bench.environment import stamp
    from skaprof.train.code import code_hash

    return {**stamp(device), "training_code": code_hash()}
