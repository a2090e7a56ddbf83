"""Command lines of the analytic commands, drawn word by word: an answer or one clear message, never a traceback."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import THOROUGH
from limits import exit_code_of, soon_and_small

COUNT = int(os.environ.get("SKAPROF_COMMAND_LINES", "5000" if THOROUGH else "200"))
"""How many are drawn; 1,000 take a minute."""
SPECS = (
    *("mhsa", "ska", "cska", "linear", "sepconv", "pooling", "identity", "ska:query=false", "cska:kernel_size=5"),
    *("mhsa:bias=true", "ska:heads=4", "ska:head_dim=16", "sepconv:kernel_size=7", "linear:heads=2"),
)
GRIDS = (
    "1",
    "7",
    "14",
    "49",
    "64",
    "196",
    "256",
    "49,196",
    "16:256:*2",
    "1:9:2",
    "3,5,7",
    "224",
    "32:128:32",
    "1:3000",
)
DTYPES, MODES = ("float64", "float32", "float16", "bfloat16", "float32,bfloat16"), ("forward", "train", "forward,train")
FORMS = ("eager", "sdpa", "eager,sdpa", "compile", "channels-last", "all")
SIZES = ("14x14", "1x1", "7x9", "56x56", "7x7,14x14", "196")
FORMATS, PLAIN = ("table", "json", "csv", "markdown", "bmf"), ("",)
NASTY = (
    *("", " ", "0", "-1", "1e3", "9" * 30, "9" * 5000, "1:0", "1:10:0", "1:10:*1", "::", ",", "x", "0x0", "nan", "inf"),
    *(
        "\x1b[31m",
        "\n",
        "\u202e",
        "\udc80",
        "$x$",
        "=1+1",
        "mhsa:",
        ":",
        "mhsa:heads=",
        "ska:heads=0",
        "--",
        "-",
        "/",
        ".",
    ),
    *(
        "cska:kernel_size=4",
        "mhsa:bias=maybe",
        "a" * 3000,
        "1=ska",
        "9=ska",
        "1=",
        "=",
        "params<=",
        "params<=1Z",
        "\u0661",
    ),
    *(
        "1_000",
        "+5",
        " 5",
        "5 ",
        "\uff15",
        "0x10",
        "1.5",
        "1:2:3:4",
        "*2",
        "1:1000000000:*2",
        "/dev/null",
        "a.toml",
        "l4",
    ),
)
WORKLOAD = {
    "--tokens": GRIDS,
    "--size": SIZES,
    "--resolution": GRIDS,
    "--patch": ("4", "14", "16", "4,16"),
    "--dim": GRIDS,
    "--batch": GRIDS,
    "--heads": GRIDS,
    "--head-dim": GRIDS,
    "--kernel-size": GRIDS,
}
FORM = {"--dtype": DTYPES, "--mode": MODES, "--implementation": FORMS, "--format": FORMATS}
BACKBONES = ("caformer_s18", "vit_small", "poolformerv2_s12", "convformer_s18", "identityformer_s12", "cifar_vit")
HARDWARE = ("l4", "h100-sxm", "h100-pcie")
STAGES = ("1=ska", "3=cska", "4=mhsa:bias=true", "2=sepconv")
IMAGE = {"--resolution": ("224", "32", "224,384"), "--task": ("classification", "detection", "segmentation")}
LIMITS = ("params<=26M", "macs<=4G", "traffic_bytes<=1G", "macs<1")
METRICS = ("macs", "params", "macs,traffic_bytes", "macs,params,traffic_bytes")
COMMANDS: dict[str, dict[str, tuple[str, ...]]] = {
    "flops": {
        "--mixer": SPECS,
        "--baseline": SPECS,
        "--per-op": PLAIN,
        "--formula": PLAIN,
        **WORKLOAD,
        **FORM,
    },
    "crossover": {
        "--mixer": SPECS,
        "--baseline": SPECS,
        "--hardware": HARDWARE,
        "--tf32": PLAIN,
        "--axis": ("tokens", "dim", "heads", "head_dim", "kernel_size", "resolution", "batch"),
        "--dim": ("64", "320", "384"),
        "--tokens": ("49", "196"),
        "--heads": ("2", "8"),
        "--head-dim": ("16", "32"),
        "--kernel-size": ("3", "5"),
        "--batch": ("1", "8"),
        "--patch": ("16",),
        "--dtype": DTYPES,
        "--format": FORMATS,
    },
    "roofline": {
        "--hardware": HARDWARE,
        "--mixer": SPECS,
        "--per-op": PLAIN,
        "--tf32": PLAIN,
        **WORKLOAD,
        "--dtype": DTYPES,
        "--implementation": FORMS,
        "--format": FORMATS,
    },
    "model": {
        "--mixers": ("ska,ska,mhsa,mhsa", "ska", "sepconv,sepconv,ska,mhsa"),
        "--stage": STAGES,
        **IMAGE,
        "--depth": ("total", "stage", "block"),
        "--batch": ("1", "8"),
        **FORM,
    },
    "search": {
        "--mixer": SPECS,
        "--stage": STAGES,
        "--kernel-size": ("3", "3,5"),
        "--head-dim": ("16,32",),
        **IMAGE,
        "--objective": METRICS,
        "--limit": LIMITS,
        "--batch": ("1", "8"),
        **FORM,
    },
    "explore": {
        "--output": ("explorer.html",),
        "--mixer": SPECS,
        "--hardware": HARDWARE,
        "--model": BACKBONES,
        "--title": ("Costs",),
    },
    "figure": {"--output": ("figure.txt",)},
    "env": {"--format": FORMATS},
}
OFTEN = [name for name in COMMANDS for _ in range({"explore": 1, "figure": 1, "env": 1, "search": 3}.get(name, 12))]


def drawn_line(draw: random.Random) -> list[str]:
    """A command with up to six options, of which about one in ten is nonsense."""
    name = draw.choice(OFTEN)
    options, words = COMMANDS[name], [name]
    if name in ("model", "search"):
        words.append(draw.choice(NASTY) if draw.random() < 0.05 else draw.choice(BACKBONES))
    if name == "roofline" and draw.random() < 0.9:
        words += ["--hardware", draw.choice(HARDWARE)]
    for option in draw.choices(list(options), k=draw.randrange(7)):
        value = draw.choice(NASTY) if draw.random() < 0.07 else draw.choice(options[option])
        joined = draw.random() < 0.1
        words += [f"{option}={value}"] if joined and value else [option, *([value] if value else [])]
    if draw.random() < 0.03:
        words.insert(draw.randrange(len(words) + 1), draw.choice(NASTY))
    return words


def test_a_drawn_command_line_is_answered_or_told_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)
    draw, seen = random.Random("skaprof command lines"), Counter[tuple[str, int]]()
    for _ in range(COUNT):
        words = drawn_line(draw)
        with soon_and_small():
            code = exit_code_of(*words)
        said = capfd.readouterr()
        assert code in ((0, 1, 2) if "--limit" in " ".join(words) else (0, 2)), (words, said.err)
        assert "Traceback" not in said.err, (words, said.err)
        assert all(line.isprintable() for line in said.err.split("\n")), (words, said.err)
        if code == 2:
            assert said.err.startswith("skaprof: "), (words, said.err)
        if "json" not in words and "bmf" not in words:
            assert all(line.isprintable() for line in said.out.split("\n")), (words, said.out[:500])
        seen[words[0], code] += 1
    assert {(name, code) for name in ("flops", "crossover", "roofline", "model") for code in (0, 2)} <= set(seen)
