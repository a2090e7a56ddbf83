"""The explorer page as a file: one, self-contained, with nothing in it that a user's text could break."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import Any

import pytest
from conftest import Run

from skaprof.analysis.closed_forms import FormTable, mixer_forms
from skaprof.errors import SkaprofError
from skaprof.model.mixers import MIXERS, Mixer, tokens_in
from skaprof.model.ops import linear
from skaprof.workload import Workload

MOST_BYTES = 600_000
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> {{script}} & \"'"


@pytest.fixture(scope="module")
def page(skaprof: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with a title that nobody means well with."""
    path = tmp_path_factory.mktemp("page") / "explorer.html"
    done = skaprof("explore", "--title", HOSTILE, "--output", str(path))
    assert (done.returncode, done.stdout) == (0, "")
    return path.read_text()


def payload(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_the_page_is_one_file_that_asks_for_nothing(page: str) -> None:
    assert len(page.encode()) <= MOST_BYTES
    markup = re.sub(r"<script.*?</script>", "", page.replace(escape(HOSTILE), ""), flags=re.DOTALL)
    assert re.findall(r"\b(?:src|href|action)=\S*", markup) == []
    assert "default-src 'none'" in page
    assert "unsafe" not in page.partition("<style>")[0]


def test_a_title_is_text_wherever_it_stands(page: str) -> None:
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img" not in page
    assert payload(page)["title"] == HOSTILE


def test_every_mixer_form_and_mode_is_there(page: str) -> None:
    found = payload(page)
    assert list(found["mixers"]) == list(MIXERS)
    for name, mixer in MIXERS.items():
        for forms in found["mixers"][name]["forms"].values():
            assert list(forms) in (list(mixer.op_lists), ["eager"])
            assert all(
                {"ops", "kernels", "forward", "train"} == set(ops) for form in forms.values() for ops in form.values()
            )


def test_what_is_named_is_there_and_comes_first(skaprof: Run, tmp_path: Path) -> None:
    backbone = tmp_path / "mine.toml"
    backbone.write_text('[[stages]]\ndepth = 2\ndim = 64\nmixer = "ska"\n')
    options = (
        "--mixer",
        "ska",
        "--mixer",
        "SKA",
        "--mixer",
        "cska:kernel_size=5",
        "--model",
        f"{backbone}[stage1=mhsa]",
    )
    done = skaprof("explore", *options, "--hardware", "l4", "--output", "-")
    found = payload(done.stdout)
    assert found["shown"] == ["ska", "cska:kernel_size=5"]
    assert (found["backbones"][0]["name"], found["backbones"][0]["path"]) == ("mine", str(backbone))
    assert found["chosen"] == {"mine": ["mhsa"]}
    assert found["machines"][0]["id"] == "l4"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--output", "page.txt"), "--output: 'page.txt' is not valid: expected a file name ending in .html"),
        (("--output", "a.html", "--mixer", "skaa"), "--mixer: 'skaa' is not valid"),
        (("--output", "a.html", "--model", "vit_smal"), "did you mean 'vit_small'"),
        (("--output", "a.html", "--hardware", "h100"), "--hardware: 'h100' is not valid"),
        (("--output", "a.html", "--results", "none.jsonl"), "--results"),
    ],
)
def test_bad_input_is_one_message_and_no_file(
    skaprof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = skaprof("explore", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_op_list_without_a_closed_form_is_an_error_that_names_the_mixer() -> None:
    def halved(w: Workload) -> Any:
        return [linear("half", tokens_in(w), w.dim / 2)]

    with pytest.raises(SkaprofError, match="mixer 'halved': its 'eager' form has no closed form"):
        mixer_forms(Mixer("halved", "", {"eager": halved}), FormTable())


def test_an_op_list_that_asks_about_sizes_has_a_form_for_each_answer() -> None:
    def windowed(w: Workload) -> Any:
        return [linear("small" if w.tokens < 64 else "large", tokens_in(w), w.tokens // 7 + w.dim % 5)]

    found = mixer_forms(Mixer("windowed", "", {"eager": windowed}), FormTable())["forms"][""]["eager"]["0"]
    assert found["if"] == "above"
    assert (found["yes"]["ops"], found["no"]["ops"]) == ([["small", "linear"]], [["large", "linear"]])
