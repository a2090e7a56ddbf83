"""The Python API: sizes in every spelling, and one kind of error for every kind of mistake."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import skaprof
from skaprof import SkaprofError


def test_sizes_in_every_spelling_mean_the_same() -> None:
    expected = skaprof.cost("ska", tokens=196, dim=256)
    assert skaprof.cost("ska") == expected
    assert skaprof.cost("ska", size=(14, 14), dim=np.int64(256)) == expected
    assert skaprof.cost("ska", size=np.array([14, 14]), dim=np.array(256)) == expected
    frames = [
        skaprof.sweep("ska", tokens=tokens, dim=(64, 128))
        for tokens in ((16, 32, 64), "16:64:*2", np.array([16, 32, 64]), iter([16, 32, 64]))
    ]
    assert all(frame.equals(frames[0]) for frame in frames)
    assert skaprof.sweep(["ska"], size=(4, 6)).equals(skaprof.sweep("ska", size="4x6"))
    assert skaprof.sweep("ska", size=[(4, 6), (2, 2)]).equals(skaprof.sweep("ska", size="4x6,2x2"))


MISTAKES: dict[str, Callable[[], object]] = {
    "several tokens for one": lambda: skaprof.cost("ska", tokens=[49, 196]),
    "a grid for one": lambda: skaprof.cost("ska", tokens="49,196"),
    "several sizes for one": lambda: skaprof.cost("ska", size=[(14, 20), (7, 7)]),
    "size text for one": lambda: skaprof.cost("ska", size="14x20"),
    "a size that is no pair": lambda: skaprof.cost("ska", size=14),
    "no mixer": lambda: skaprof.cost(None),
    "a number for a mixer": lambda: skaprof.formula(5),
    "no mixers": lambda: skaprof.sweep([]),
    "no dtypes": lambda: skaprof.sweep("ska", dtype=[]),
    "no sizes": lambda: skaprof.sweep("ska", size=[]),
    "a number for a mode": lambda: skaprof.sweep("ska", mode=1),
    "endless sizes": lambda: skaprof.sweep("ska", tokens=itertools.count(1)),
    "bytes for sizes": lambda: skaprof.sweep("ska", dim=b"64"),
    "text for a pair": lambda: skaprof.sweep("ska", size=["14", "20"]),
    "a fraction": lambda: skaprof.cost("ska", dim=2.5),
    "a truth value": lambda: skaprof.cost("ska", dim=True),
    "both grids": lambda: skaprof.cost("ska", tokens=4, size=(2, 2)),
    "an unknown dtype": lambda: skaprof.cost("ska", dtype="int8"),
    "an unknown mode": lambda: skaprof.formula("ska", mode="backward"),
    "a number for a form": lambda: skaprof.formula("ska", implementation=[1]),
    "an array for a mode": lambda: skaprof.cost("ska", mode=np.array(["forward", "train"])),
    "no batch": lambda: skaprof.sweep("ska", batch=None),
    "a number for a backbone": lambda: skaprof.model_cost(3),
    "no backbone": lambda: skaprof.verify_model(None),
    "several backbones": lambda: skaprof.model_cost(["caformer_s18"]),
    "a number for mixers": lambda: skaprof.model_cost("caformer_s18", 3),
    "a number among mixers": lambda: skaprof.model_cost("caformer_s18", ["ska", "ska", 3, "ska"]),
    "bytes for mixers": lambda: skaprof.model_cost("caformer_s18", b"ska"),
    "text for an image": lambda: skaprof.model_cost("caformer_s18", resolution="224"),
    "an array without a size for an image": lambda: skaprof.model_cost("caformer_s18", resolution=np.array("a")),
    "a list for a task": lambda: skaprof.model_cost("caformer_s18", task=["detection"]),
    "mixers twice over": lambda: skaprof.model_cost("caformer_s18[stage3=ska]", "ska"),
    "too few mixers": lambda: skaprof.model_cost("caformer_s18", ["ska", "mhsa"]),
    "a form it has not": lambda: skaprof.cost("pooling", implementation="sdpa"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_is_a_skaprof_error(mistake: str) -> None:
    with pytest.raises(SkaprofError) as caught:
        MISTAKES[mistake]()
    assert caught.value.exit_code == 2
    assert "--" not in caught.value.message, "an option of the command line, where arguments have other names"


def test_an_error_names_parameters_as_python_does_and_the_command_line_its_options() -> None:
    with pytest.raises(SkaprofError) as caught:
        skaprof.sweep(dim="64:1000000:1", heads=(3, 7))
    error = caught.value
    assert error.parameters == ("dim", "heads", "head_dim")
    assert str(error).startswith("dim, heads and head_dim: their product has 1,999,874 combinations")
    assert error.in_options().startswith("--dim, --heads and --head-dim: their product")


def test_an_error_of_one_value_has_it_and_what_was_expected() -> None:
    with pytest.raises(SkaprofError) as caught:
        skaprof.cost("ska", head_dim=0)
    error = caught.value
    assert (error.parameters, error.value) == (("head_dim",), 0)
    assert error.expected == "a whole number from 1 to 1,000,000,000"
    assert error.message == "head_dim: '0' is not valid: expected a whole number from 1 to 1,000,000,000"
    assert error.in_options().startswith("--head-dim: '0'")


def test_a_mark_of_the_users_own_is_never_an_option() -> None:
    with pytest.raises(SkaprofError) as caught:
        skaprof.cost("\ue000dim")
    assert "--dim" not in caught.value.in_options()
    assert caught.value.parameters == ("mixer",)


def test_a_backbone_may_be_a_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("resolution = 64\n[[stages]]\ndepth = 2\ndim = 64\nmixer = 'mhsa'\n")
    rows = skaprof.model_cost(path, depth="total")
    assert rows == skaprof.model_cost(str(path), depth="total", resolution=np.int64(64))
    assert skaprof.model_cost(f"{path}[stage1=ska]") == skaprof.model_cost(path, "ska")


def test_public_names_are_there_stay_callable_and_others_are_not() -> None:
    for name in skaprof.__all__:
        assert getattr(skaprof, name) is not None
        assert name in dir(skaprof)
    skaprof.sweep("ska")
    assert callable(skaprof.sweep)
    assert callable(skaprof.verify)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = skaprof.nothing
