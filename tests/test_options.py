"""Options of every command: none that is given is dropped, each file is written, and other tools' words are taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import Run

from skaprof.bench.baseline import baseline_label
from skaprof.cli.app import build_app
from skaprof.cli.as_typed import LISTS, SEPARABLE
from skaprof.cli.commands import COMMANDS
from skaprof.errors import SkaprofError
from skaprof.model.spec import parse_mixer
from skaprof.words import meant, spellings
from skaprof.workload import DTYPE_BYTES, MODES

COMMAND: dict[str, Any] = typer.main.get_command(build_app(list(COMMANDS))).commands  # type: ignore[attr-defined]
OPTIONS = [
    (name, option)
    for name, command in COMMAND.items()
    for option in command.params
    if option.param_type_name == "option" and not option.is_flag
]
IDS = [f"{name} {option.opts[0]}" for name, option in OPTIONS]


def parsed(name: str, option: Any, *given: str) -> Any:
    """What a command is given for an option; what else it requires is there."""
    required = [other for other in COMMAND[name].params if other.required and other is not option]
    words = [
        word for other in required for word in ([other.opts[0]] if other.param_type_name == "option" else []) + ["x"]
    ]
    return COMMAND[name].make_context(name, [*words, *given]).params[option.name]


@pytest.mark.parametrize(("name", "option"), OPTIONS, ids=IDS)
def test_a_repeated_option_joins_or_is_kept_or_is_refused_by_name(name: str, option: Any) -> None:
    word = option.opts[0]
    assert parsed(name, option, word, "1") == (["1"] if option.multiple else "1")
    twice = (word, "1", word, "2")
    if option.multiple or option.metavar in LISTS:
        assert parsed(name, option, *twice) == (["1", "2"] if option.multiple else "1,2")
        return
    with pytest.raises(SkaprofError) as caught:
        parsed(name, option, *twice)
    assert caught.value.in_options() == f"{max(option.opts, key=len)}: '1' and '2': expected it once"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("name", "option"), OPTIONS, ids=IDS)
def test_an_option_is_known_by_other_tools_names_for_it(name: str, option: Any) -> None:
    for other in (other for each in option.opts for other in spellings(each.removeprefix("--"))):
        assert parsed(name, option, f"--{other}", "7") == "7"
    if option.multiple:
        expected = ["a", "b"] if option.metavar in SEPARABLE else ["a,b"]
        assert parsed(name, option, option.opts[0], "a,b") == expected


def test_grids_join_as_one_and_other_words_give_the_same_rows(skaprof: Run) -> None:
    joined = skaprof("flops", "--dim", "64,128", "--batch", "2", "-m", "mhsa", "-m", "ska", "-f", "csv")
    given = ("--dim", "64", "--dim", "128", "--batch-size", "2", "-m", "MHSA,SKA", "-f", "CSV")
    assert skaprof("flops", *given).stdout == joined.stdout != ""
    half = skaprof("flops", "-m", "ska:bias=True", "--dtype", "half", "-f", "csv")
    assert half.stdout == skaprof("flops", "-m", "ska:bias=true", "--dtype", "float16", "-f", "csv").stdout


HINTS = [
    (("latency", "--iterations", "9"), "--iterations: --rounds says"),
    (("latency", "--warmup", "9"), "--warmup: each call is warmed up"),
    (("model", "vit_tiny", "--fp16"), "--fp16: --dtype fp16 says so"),
    (("swap", "a:b", "--json"), "--json: --format json says so"),
    (("env", "--fp16"), "No such option: --fp16\n"),
]


@pytest.mark.parametrize(("arguments", "words"), HINTS, ids=[" ".join(arguments) for arguments, _ in HINTS])
def test_an_option_of_another_tool_is_told_what_says_the_same(
    skaprof: Run, arguments: tuple[str, ...], words: str
) -> None:
    done = skaprof(*arguments)
    assert (done.returncode, words in done.stderr, done.stderr.count("\n")) == (2, True, 1)


WORDS = [
    *((word, "float16") for word in ("fp16", "FP16", "half", "torch.float16", "torch.half", "Float16")),
    *(("bf16", "bfloat16"), ("fp32", "float32"), ("float", "float32"), ("fp64", "float64"), ("double", "float64")),
    *(("training", "train"), ("inference", "forward"), ("Train", "train")),
    *(("int8", "int8"), ("backward", "backward"), ("", "")),
]


@pytest.mark.parametrize(("word", "ours"), WORDS)
def test_a_word_means_ours_where_it_can_mean_nothing_else(word: str, ours: str) -> None:
    assert meant(word, (*DTYPE_BYTES, *MODES)) == ours


@pytest.mark.parametrize("text", ["SKA:query=False:heads=04", "ska:query=false:heads=4"])
def test_a_spec_is_one_however_it_is_typed(text: str) -> None:
    assert parse_mixer(text).text == "ska:query=false:heads=4"


@pytest.mark.parametrize(
    "arguments",
    [
        ("flops", "--tokens", "4,9"),
        ("flops", "--formula"),
        ("crossover",),
        ("model", "vit_tiny"),
        ("roofline",),
        ("search", "vit_tiny", "--limit", "params<=1"),
        ("check", "ska.macs < mhsa.macs"),
    ],
    ids=" ".join,
)
def test_each_file_of_a_repeated_output_is_written_and_stdout_by_its_dash(
    skaprof: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = skaprof(*arguments, "-o", "a.csv", "-o", "-", "-o", "b.json", "-o", "c.txt", cwd=tmp_path)
    assert done.stderr.startswith("wrote a.csv\nwrote b.json\nwrote c.txt\n")
    assert (tmp_path / "a.csv").read_text() == skaprof(*arguments, "-f", "csv").stdout
    assert done.stdout == skaprof(*arguments).stdout == (tmp_path / "c.txt").read_text()
    rows = json.loads((tmp_path / "b.json").read_text())["rows"]
    assert rows == json.loads(skaprof(*arguments, "-f", "json").stdout)["rows"]


class Contender:
    """What `baseline_label` asks of something timed."""

    def __init__(self, name: str, given: str, implementation: str) -> None:
        self.name, self.given, self.form = name, given, implementation


NAMED = [
    *(("vit_tiny", "vit_tiny mhsa (eager)"), ("vit_tiny/sdpa", "vit_tiny mhsa (sdpa)"), ("VIT-tiny", None)),
    ("vit_tiny[stage1=ska]", "vit_tiny ska (eager)"),
    ("vit_tiny[stage1=ska]/SDPA", "vit_tiny ska (sdpa)"),
    ("a/b.toml", "b pooling (eager)"),
    ("a/b.toml/eager", "b pooling (eager)"),
    ("vit_tiny mhsa", "vit_tiny mhsa (eager)"),
    ("SKA:bias=True", "ska:bias=true (eager)"),
    ("mine.py:Mine", "mine.py:Mine (compile)"),
]


@pytest.mark.parametrize(("text", "label"), NAMED)
def test_the_name_that_was_given_is_the_baselines_name(text: str, label: str | None) -> None:
    both, group = ("eager", "sdpa", "compile"), []
    for name, given in (
        ("vit_tiny mhsa", "vit_tiny"),
        ("vit_tiny ska", "vit_tiny[stage1=ska]"),
        ("b pooling", "a/b.toml"),
    ):
        group += [Contender(name, given, form) for form in both]
    group += [
        Contender("ska:bias=true", "ska:bias=true", "eager"),
        Contender("mine.py:Mine", "mine.py:Mine", "compile"),
    ]
    found = baseline_label(text, [group])  # type: ignore[list-item]
    assert found["baseline"] == (label or "vit_tiny mhsa (eager)")
    assert found["same_form"] == ("/" not in text.removeprefix("a/"))


@pytest.mark.parametrize(("text", "words"), [("vit_tni", "did you mean 'vit_tiny'"), ("vit_tiny/sdp", "eager, sdpa")])
def test_a_baseline_that_is_not_timed_is_refused(text: str, words: str) -> None:
    group = [Contender("vit_tiny mhsa", "vit_tiny", form) for form in ("eager", "sdpa")]
    with pytest.raises(SkaprofError, match=words):
        baseline_label(text, [group])  # type: ignore[list-item]


OWN = "import torch\nfrom torch import nn\nLAYERS = 3\nclass Layer(nn.Linear):\n    pass\ndef linear():\n    pass\n"
NEARLY = [
    (("flops", "--module", "odd.py:torhc"), None),
    (("flops", "--module", "odd.py:LAYER"), "odd.py:Layer"),
    (("flops", "--module", "odd.py:Liner"), "odd.py:linear"),
    (("flops", "--module", "odd.py:Layer.forwards"), "odd.py:Layer.forward"),
    (("flops", "--module", "odd.py:Layr.forward"), None),
    (("flops", "--module", "odd.py:Layer", "--arg", "dim=2*{dimm}"), "dim=2*{dim}"),
    (("flops", "-m", "ska:qery=false"), "ska:query=false"),
    (("flops", "-m", "ska:qery=flase"), None),
    (("flops", "-m", "skka"), "ska"),
    (("compare", "a", "b", "--fail-on", "mac>0"), "macs"),
    (("compare", "a", "b", "--fail-on", "macs>5m"), "5M"),
]


@pytest.mark.parametrize(("arguments", "offered"), NEARLY, ids=[arguments[-1] for arguments, _ in NEARLY])
def test_only_what_exists_is_offered(
    skaprof: Run, tmp_path: Path, arguments: tuple[str, ...], offered: str | None
) -> None:
    (tmp_path / "odd.py").write_text(OWN)
    done = skaprof(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert f"did you mean {offered!r}?" in done.stderr if offered else "did you mean" not in done.stderr


def test_as_many_rows_are_called_verified_as_say_so(skaprof: Run, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("from torch import nn\ndef own(dim):\n    return nn.Linear(dim, dim)\n")
    options = ("--module", "own.py:own", "--arg", "dim={dim}", "-m", "ska", "-m", "mhsa", "--tokens", "4", "--dim", "8")
    told = skaprof("flops", "--verify", *options, cwd=tmp_path).stdout
    assert sum(line.endswith(" yes") for line in told.splitlines()) == 3
    assert "Verified 3 of 3 rows, 2 of 2 by closed forms: " in told
