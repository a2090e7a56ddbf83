"""Files that are damaged, endless or made to hurt: one clear message, soon, and in little memory."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Run, examples, thorough
from limits import exit_code_of, soon_and_small

from skaprof import inputs
from skaprof.cli.report_config import read_contents
from skaprof.errors import SkaprofError
from skaprof.saved import read_results
from skaprof.toml_file import read_toml

HARDWARE = """[[hardware]]
id = "mine"
name = "Mine"
peak_float32 = "66.9 TFLOP/s"
bandwidth = "3350 GB/s"
memory = "80 GB"
cache = "50 MB"
source = "its maker"
date = "2024-01-01"
"""
BACKBONE = """head = "mlp"
head_dim = 32
resolution = 64
[stem]
kernel_size = 4
stride = 4
padding = 0
[[stages]]
depth = 2
dim = 64
mixer = "sepconv"
[[stages]]
depth = 3
dim = 128
mixer = "ska:heads=4"
mlp_ratio = 3
residual_scale = true
"""
CONFIG = """title = "Mine"
sections = ["sizes"]
mixers = ["mhsa", "ska"]
batch = 2
[[sizes]]
tokens = 49
dim = 64
[latency]
device = "cpu"
modes = ["forward"]
max_seconds = 60
"""
CLAIMS = """[[claim]]
claim = "ska.macs < mhsa.macs @ tokens=49,dim=64"
source = "us"
[[claim]]
claim = "cska.params / ska.params > 1.5 @ tokens=49"
source = "us"
expect = "fails"
why = "it is less"
"""
NASTY = (
    *(
        "0",
        "-1",
        "1e999",
        "nan",
        "-inf",
        "9" * 30,
        "9" * 5000,
        "0x" + "f" * 400,
        "true",
        "''",
        '""',
        "[]",
        "{}",
        "[[]]",
    ),
    *(
        "1979-05-27",
        "07:32:00",
        '"\\u0000\\u001b[31m"',
        '"\ufeff\u202e"',
        '"' + "x" * 3000 + '"',
        "[" * 300,
        "{a=" * 300,
    ),
    *(
        "a." * 300 + "b",
        "1000000000",
        "'ska:heads=0'",
        "'=1+1'",
        "'$x$'",
        "\x00",
        "\r",
        "\u2028",
        "[[stages]]",
        "[claim]",
    ),
    *('"""', "#", "[", "]]", "=", "{inf", "'../x.toml'", "0.5", "-0", "'12'", "[1, 'a']", "[['a']]", "{b = {c = 1}}"),
)


def damaged(text: str, draw: random.Random) -> bytes:
    """The text with one to four things wrong."""
    for _ in range(draw.randint(1, 4)):
        lines = text.split("\n")
        place, nasty = draw.randrange(len(lines)), draw.choice(NASTY)
        key, equals, _ = lines[place].partition("=")
        kind = draw.randrange(8)
        if kind < 3 and equals:
            lines[place] = f"{key}= {nasty}"
        elif kind == 3:
            lines[place] = f"{nasty} = 1"
        elif kind == 4:
            lines.insert(place, draw.choice(lines))
        elif kind == 5:
            del lines[place]
        elif kind == 6:
            lines[place : place + 3] *= draw.choice((2, 30, 400))
        else:
            at = draw.randrange(len(lines[place]) + 1)
            lines[place] = lines[place][:at] + nasty + lines[place][at:]
        text = "\n".join(lines)
    data = bytearray(text.encode())
    if data and draw.random() < 0.2:
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data[: draw.randrange(len(data) + 1)] if draw.random() < 0.1 else data)


def read_config(path: str) -> int:
    try:
        read_contents(path)
    except SkaprofError as error:
        return error.exit_code
    return 0


KINDS: dict[str, tuple[str, Callable[[str], int], tuple[int, ...]]] = {
    "backbone": (BACKBONE, lambda path: exit_code_of("model", path, "--depth", "total", "--resolution", "64"), (0, 2)),
    "hardware": (HARDWARE, lambda path: exit_code_of("roofline", "--hardware", path, "--tokens", "49"), (0, 2)),
    "config": (CONFIG, read_config, (0, 2)),
    "claims": (CLAIMS, lambda path: exit_code_of("check", path), (0, 1, 2)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_toml_has_one_clear_message(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    text, run, codes = KINDS[kind]
    draw, path, seen = random.Random(f"skaprof {kind}"), tmp_path / "mine.toml", set()
    monkeypatch.setattr(sys, "argv", sys.argv)
    for number in range(examples(500)):
        data = text.encode() if number == 0 else damaged(text, draw)
        path.write_bytes(data)
        with soon_and_small():
            code = run(str(path))
        said = capfd.readouterr()
        assert code in codes, (data, said.err)
        assert code == 2 or "Traceback" not in said.err
        assert "\x1b" not in said.err, data
        assert number > 0 or code == 0, said.err
        seen.add(code)
    assert seen >= {0, 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a." * 20_000 + "b = 1", "a key of more than 32 parts"),
        ("[" + "a." * 20_000 + "b]", "a key of more than 32 parts"),
        ('"\\"".' * 20_000 + "b = 1", "a key of more than 32 parts"),
        ('x = """\\"""\n"""\n' + "a." * 20_000 + "b = 1", "a key of more than 32 parts"),
        ("a = {" + "a." * 20_000 + "b = 1}", "a key of more than 32 parts"),
        ("a = " + "9" * 5000, "whole numbers of at most 64 bits"),
        ("a = 0x" + "f" * 5000, "whole numbers of at most 64 bits"),
        ("a = -9223372036854775809", "whole numbers of at most 64 bits"),
        ("a = " + "[" * 50_000, "lists at most 32 deep"),
        ("a = " + "[" * 40 + "]" * 40, "more than 32 deep"),
        ("a = 1 # " + "x" * inputs.MOST_TEXT, "is too long: expected at most 1 MiB"),
    ],
    ids=lambda text: text[:24],
)
def test_toml_made_to_hurt_is_refused_at_once(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with soon_and_small(), pytest.raises(SkaprofError) as raised:
        read_toml(str(path), "--config")
    assert raised.value.message.startswith("--config: '")
    assert words in raised.value.message


def test_what_only_looks_like_a_long_key_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    dots = ".".join("x" * 100)
    path.write_text(
        f'a = "{dots}" # {dots}\nb = """\n{dots}\\""" {dots}\n"""\nc = \'{dots}\'\nd = 9223372036854775807\n'
    )
    assert set(read_toml(str(path)).values) == {"a", "b", "c", "d"}


def test_an_error_in_each_of_a_thousand_tables_is_found_in_one_walk(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("".join(f"# {number}\n[[stages]]\ndepth = {number}\n" for number in range(1000)))
    walks = 0
    top = read_toml(str(path))

    class Counting(str):
        def split(self, *arguments: object, **options: object) -> list[str]:  # type: ignore[override]
            nonlocal walks
            walks += 1
            return str.split(self, "\n")

    top.places.text = Counting(top.text)
    labels = [table.label("depth") for table in top.tables("stages")]
    assert labels[0].endswith("line 3: stages.depth")
    assert labels[-1].endswith("line 3000: stages.depth")
    assert walks == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[stages]]\ndepth = 1\ndim = 8\nmixer = 'ska'\n" * 1001, "1,001 [[stages]] tables: expected at most 1,000"),
        ("[[stages]]\ndepth = 600\ndim = 8\nmixer = 'ska'\n" * 2, "1,200 blocks in all: expected at most 1,000"),
    ],
)
def test_a_backbone_beyond_any_is_refused(tmp_path: Path, text: str, words: str, skaprof_here: Run) -> None:
    (tmp_path / "a.toml").write_text(text)
    done = skaprof_here("model", "a.toml", cwd=tmp_path)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_claims_beyond_any_reader_are_refused(tmp_path: Path, skaprof_here: Run) -> None:
    (tmp_path / "a.toml").write_text("[[claim]]\nclaim = 'ska.macs > 1'\nsource = 'us'\n" * 1001)
    done = skaprof_here("check", "a.toml", cwd=tmp_path)
    assert (done.returncode, "holds 1,001 claims: expected at most 1,000" in done.stderr) == (2, True), done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("read", [read_toml, read_results], ids=["toml", "results"])
def test_what_may_never_end_is_not_waited_for(tmp_path: Path, read: Callable[[str, str], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(SkaprofError, match="is no regular file: expected one, or - for standard input"):
            read(str(path), "--results")


def test_a_file_of_results_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs.read_data, "__defaults__", (None, inputs.MIB))
    with (tmp_path / "runs.jsonl").open("wb") as stream:
        stream.truncate(inputs.MIB + 1)
    with pytest.raises(SkaprofError, match=r"--results: .* is too long: expected at most 1 MiB"):
        read_results(tmp_path / "runs.jsonl", "--results")


@pytest.mark.parametrize("text", ['{"z":1}\n', "[],", '{"a":{"b":'])
def test_a_file_of_nothing_but_brackets_is_refused_at_once(tmp_path: Path, text: str) -> None:
    (tmp_path / "runs.json").write_text(text * (4 * inputs.MIB // len(text)))
    with soon_and_small(), pytest.raises(SkaprofError, match="is too much: expected at most 500,000 objects and lists"):
        read_results(tmp_path / "runs.json", "--results")


@thorough
def test_the_longest_files_of_results_are_compared_soon_and_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, *rows = (ROOT / "tests" / "data" / "runs-forward.jsonl").read_text().splitlines(keepends=True)
    text = head + "".join(rows) * ((inputs.MOST_RESULTS - len(head)) // sum(map(len, rows)))
    (tmp_path / "runs.jsonl").write_text(text)
    monkeypatch.setattr(sys, "argv", sys.argv)
    with soon_and_small():
        assert exit_code_of("compare", *[str(tmp_path / "runs.jsonl")] * 2) == 0


def test_standard_input_is_a_file_too_and_has_its_limit(skaprof_process: Run) -> None:
    for name in ("-", "/dev/stdin") if Path("/dev/stdin").exists() else ("-",):
        assert skaprof_process("check", name, input=CLAIMS).returncode == 0
    done = skaprof_process("check", "-", input="#" * (inputs.MOST_TEXT + 1))
    assert (done.returncode, done.stderr) == (2, "skaprof: '-' is too long: expected at most 1 MiB\n")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding.endswith("e") else ""
    path = tmp_path / "a.toml"
    path.write_bytes((mark + "a = 'ä'\n").encode(encoding))
    assert read_toml(str(path)).values == {"a": "ä"}
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(SkaprofError, match=r"cannot be read: expected UTF-8 text|is no TOML"):
        read_toml(str(path))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("lines", [False, True], ids=["json", "jsonl"])
def test_results_from_another_editor_are_read_but_not_added_to(
    tmp_path: Path, encoding: str, lines: bool, skaprof_here: Run
) -> None:
    path = tmp_path / "runs"
    text = skaprof_here("flops", "--dim", "64", "--format", "json", cwd=tmp_path).stdout
    if lines:
        document = json.loads(text)
        rows = document.pop("rows")
        text = "".join(json.dumps(line) + "\n" for line in (document, *rows))
    path.write_text(text)
    plain = read_results(path, "--results")
    path.write_text(text, encoding=encoding)
    found = read_results(path, "--results")
    assert found.rows == plain.rows
    assert (plain.good_bytes, found.good_bytes) == (len(text.encode()), None)
