"""What is said below a table agrees with the rows above it."""

from __future__ import annotations

import csv
import io

import pytest
from conftest import Run


def rows(skaprof: Run, *arguments: str) -> list[dict[str, str]]:
    done = skaprof("flops", *arguments, "--format", "csv")
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.mark.parametrize(
    "arguments",
    [
        ("-m", "cska", "-m", "sepconv", "--baseline", "cska"),
        ("-m", "mhsa", "-m", "sepconv", "-m", "pooling", "--heads", "2", "--head-dim", "256", "--baseline", "mhsa"),
        ("-m", "mhsa", "-m", "sepconv", "--heads", "2", "--baseline", "mhsa"),
        ("-m", "cska", "-m", "cska:kernel_size=5", "-m", "mhsa", "--kernel-size", "7", "--baseline", "cska"),
        ("-m", "mhsa", "-m", "cska:heads=4:head_dim=16", "--baseline", "mhsa"),
    ],
)
def test_ratios_are_over_the_baselines_own_row(skaprof: Run, arguments: tuple[str, ...]) -> None:
    table = rows(skaprof, *arguments)
    baseline = next(row for row in table if row["mixer"] == arguments[-1])
    for row in table:
        for metric in ("params", "macs", "traffic_bytes"):
            if int(baseline[metric]):
                assert float(row[f"{metric}_ratio"]) == int(row[metric]) / int(baseline[metric])
            else:
                assert row[f"{metric}_ratio"] == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("-m", "cska", "-m", "mhsa", "--kernel-size", "5"),
            "mhsa has fewer parameters from 11 tokens",
        ),
        (("-m", "mhsa", "-m", "cska:heads=4:head_dim=16"), "cska:heads=4:head_dim=16 has fewer parameters up to 367"),
        (
            ("--heads", "256", "--implementation", "eager,sdpa", "-m", "mhsa", "-m", "cska"),
            "Break-even at dim 256 (forward, sdpa): cska has fewer parameters up to 25 tokens and fewer MACs up to 15",
        ),
        (
            ("--heads", "256", "--implementation", "eager,sdpa", "-m", "mhsa", "-m", "cska"),
            "Break-even at dim 256 (forward, eager): cska has fewer parameters up to 25 tokens and fewer MACs up to 31",
        ),
        (
            ("-m", "mhsa", "-m", "cska", "--dim", "384", "--kernel-size", "1,3,5"),
            "cska (kernel 1): fewest parameters (520.0 k) and fewest MACs (116.2 M)",
        ),
        (
            ("--tokens", "49,196", "--kernel-size", "1,3,5"),
            "Fewest MACs: ska at 2 of 2 sizes; cska (kernel 1) at 2 of 2",
        ),
        (("--heads", "6", "--head-dim", "32,64"), "ska (6 x 32 heads): fewest parameters"),
        (
            ("--per-op", "-m", "cska", "--kernel-size", "3,5"),
            "cska (kernel size 5): 294.2 M MACs, most in scores 83.6",
        ),
        (
            ("--per-op", "-m", "cska", "--kernel-size", "3,5"),
            "cska (kernel size 3): 136.9 M MACs, most in scores 64.7",
        ),
        (("-m", "cska", "--kernel-size", "5"), "8 heads of 32, 5 x 5 kernel, float32"),
        (("--formula", "--heads", "4", "--head-dim", "16", "-m", "mhsa"), "4 d a"),
        (("--formula", "--kernel-size", "5", "-m", "cska"), "3 d² + 25 n d + n h"),
        (("--per-op", "-m", "identity"), "There are no ops"),
        (
            ("-m", "mhsa", "-m", "linear", "--tokens", "33"),
            "linear has as many parameters and fewer MACs from 33",
        ),
    ],
)
def test_a_table_says(skaprof: Run, arguments: tuple[str, ...], said: str) -> None:
    done = skaprof("flops", *arguments)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--baseline", "linear", "--implementation", "sdpa"), "linear has no 'sdpa' form"),
        (("--formula", "--dim", "64"), "--dim: '64': a formula keeps this size a symbol"),
        (("--formula", "--kernel-size", "3,5"), "--kernel-size: 2 values with --formula"),
        (("--tokens", "", "--resolution", "224"), "--tokens and --resolution"),
        (("--resolution", "224", "--patch", ""), "--patch: ''"),
        (("--size", "14x"), "--size: '14x'"),
        (("--tokens", "1:"), "--tokens: '1:'"),
        (("--mixer", "cska:kernel_size=4"), "--mixer cska, kernel_size: '4'"),
        (("--mixer", "mhsa:heads=4\n"), "no blanks"),
        (("--tokens", "500000000:1000000000:50000", "--format", "csv"), "fewer or smaller token counts"),
        (("--tokens", "1:1000000", "--format", "csv"), "at most 333,333 values beside the other sizes"),
        (("--plot", "-"), "--plot: '-'"),
        (("--output", "x" * 300 + ".json"), "a file name that the system takes"),
        (("--output", "a.svg", "--format", "csv", "--plot", "a.svg"), "named twice"),
        (("--tokens", "1:40", "--dim", "32:512:32", "--plot", "x.png"), "16 panels of at most 8 lines"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    skaprof: Run, tmp_path: object, arguments: tuple[str, ...], words: str
) -> None:
    done = skaprof("flops", *arguments, cwd=str(tmp_path))
    assert done.returncode == 2, done.stdout
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
