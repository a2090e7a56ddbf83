"""Machines: the packaged ones have their sources, and a user's file is read exactly or refused with line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from skaprof.cli.options import HARDWARE
from skaprof.errors import SkaprofError
from skaprof.model.hardware import (
    POSSIBLE,
    UNITS,
    Hardware,
    Rate,
    find_hardware,
    in_unit,
    known_hardware,
    read_hardware,
)

GOOD = """[[hardware]]
id = "mine"
name = "My machine"
peak_float32 = "1.5 TFLOP/s"
bandwidth = "100 GB/s"
launch = "4 us"
source = "me"
date = "2026-11-22"

[[rates]]
kind = "linear"
dtype = "float32"
work = "1 MFLOP"
rate = "10 GFLOP/s"

[[rates]]
kind = "linear"
dtype = "float32"
work = "100 MFLOP"
rate = "1 TFLOP/s"
"""


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "machine.toml"
    path.write_text(text)
    return str(path)


def test_every_packaged_machine_is_sourced_dated_and_uncalibrated() -> None:
    machines = known_hardware()
    wanted = {
        "h100-sxm",
        "h100-pcie",
        "h200-sxm",
        "a100-sxm-80",
        "a100-pcie-40",
        "l4",
        "rtx-4090",
        "jetson-agx-orin-64",
    }
    assert wanted <= set(machines)
    for machine in machines.values():
        assert machine.source
        assert 2020 <= int(machine.date) <= 2026
        assert not machine.calibrated
        assert machine.peaks["float32"]
    assert machines["h100-sxm"].bandwidth == 3.35e12
    assert machines["h100-pcie"].bandwidth == 2e12
    assert machines["h100-sxm"].peak("bfloat16") == 989.4e12


def test_the_help_names_every_packaged_machine() -> None:
    assert all(name in (HARDWARE.help or "") for name in known_hardware())


def test_a_file_is_read_in_base_units(tmp_path: Path) -> None:
    machine = find_hardware(written(tmp_path, GOOD))
    assert machine == Hardware(
        "mine",
        "My machine",
        {"float32": 1.5e12},
        None,
        1e11,
        None,
        None,
        4e-6,
        (Rate("linear", "float32", 1e6, 1e10), Rate("linear", "float32", 1e8, 1e12)),
        "me",
        "2026-11-22",
    )
    assert machine.calibrated


def test_rates_lie_between_the_measured_ones_by_logarithms_and_hold_beyond(tmp_path: Path) -> None:
    machine = find_hardware(written(tmp_path, GOOD))
    assert machine.rate("linear", "float32", 1e7) == pytest.approx(1e11)
    assert machine.rate("linear", "float32", 1e6) == pytest.approx(1e10)
    assert machine.rate("linear", "float32", 10) == 1e10
    assert machine.rate("linear", "float32", 1e12) == 1e12
    assert machine.rate("linear", "bfloat16", 1e6) is None
    assert machine.rate("softmax", "float32", 1e6) is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            '"100 GB/s"',
            "100",
            "line 5: hardware.bandwidth: 100 has no unit: expected a number and a unit, MB/s or GB/s or TB/s",
        ),
        ('"100 GB/s"', '"100"', "line 5: hardware.bandwidth: '100' has no unit"),
        ('"100 GB/s"', '"100 GB"', "line 5: hardware.bandwidth: '100 GB' has the unit 'GB'"),
        ('"100 GB/s"', '"fast GB/s"', "line 5: hardware.bandwidth: 'fast GB/s' is not valid"),
        ('"100 GB/s"', '"-3 GB/s"', "line 5: hardware.bandwidth: '-3 GB/s' is not valid"),
        ('"100 GB/s"', '"0 GB/s"', "line 5: hardware.bandwidth: '0 GB/s' is impossible: expected from"),
        ('"100 GB/s"', "true", "line 5: hardware.bandwidth: 'True' is not valid"),
        ('"1.5 TFLOP/s"', '"1e9 TFLOP/s"', "line 4: hardware.peak_float32: '1e9 TFLOP/s' is impossible"),
        (
            '"1.5 TFLOP/s"',
            '"0.5 TFLOP/s"',
            "line 4: hardware.peak_float32: 500 GFLOP/s is impossible: the file's own linear",
        ),
        ('"4 us"', '"4 s"', "line 6: hardware.launch: '4 s' has the unit 's'"),
        ('bandwidth = "100 GB/s"\n', "", "line 1: hardware.bandwidth: missing"),
        ('peak_float32 = "1.5 TFLOP/s"\n', "", "line 1: hardware.peak_float32: missing: expected a peak"),
        ('source = "me"\n', "", "hardware.source: missing"),
        ("bandwidth", "bandwith", "did you mean 'bandwidth'"),
        ('"1 MFLOP"', '"1 MB"', "line 13: rates.work: '1 MB' has the unit 'MB'"),
        ('rate = "10 GFLOP/s"\n', "", "line 10: rates.rate: missing"),
        ('"linear"', '"lniear"', "line 11: rates.kind: 'lniear' is not valid"),
        ("[[rates]]", "[[rate]]", "did you mean 'rates'"),
        ("[[hardware]]", "[hardware]", "expected one [[hardware]] table or more"),
        ("id =", "id", "is no TOML"),
    ],
)
def test_a_mistake_is_named_with_line_and_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(SkaprofError) as caught:
        find_hardware(written(tmp_path, GOOD.replace(old, new, 1)))
    assert words in caught.value.message
    assert "machine.toml" in caught.value.message
    assert "\n" not in caught.value.message


def test_two_machines_or_an_unknown_one_or_no_file_are_refused(tmp_path: Path) -> None:
    head = GOOD.partition("[[rates]]")[0]
    with pytest.raises(SkaprofError, match="has 2 machines"):
        find_hardware(written(tmp_path, head + head))
    with pytest.raises(SkaprofError, match="did you mean 'h100-sxm'"):
        find_hardware("h100-sxn")
    assert find_hardware("H100_SXM").id == "h100-sxm"
    with pytest.raises(SkaprofError, match="cannot be read"):
        find_hardware(str(tmp_path / "none.toml"))
    with pytest.raises(SkaprofError, match="a peak of: float32, bfloat16, float16, tf32"):
        known_hardware()["l4"].peak("float64")
    wider = head.replace("peak_float32", 'peak_float64 = "2 TFLOP/s"\npeak_float32')
    with pytest.raises(SkaprofError, match="peak_float64: 2 TFLOP/s is impossible"):
        read_hardware(written(tmp_path, wider))
    for key in ("vector", "peak_tf32"):
        figure = "2 TFLOP/s" if key == "vector" else "1 GFLOP/s"
        with pytest.raises(SkaprofError, match=r"(vector|peak_float32): .* is impossible: expected no more than"):
            read_hardware(written(tmp_path, head.replace("peak_float32", f'{key} = "{figure}"\npeak_float32')))
    emulated = head.replace("peak_float32", 'peak_bfloat16 = "1 GFLOP/s"\npeak_float32')
    assert read_hardware(written(tmp_path, emulated))[0].peaks["bfloat16"] == 1e9


def test_figures_are_written_as_they_are_read() -> None:
    assert in_unit(3.35e12, "B/s") == "3.35 TB/s"
    assert in_unit(2.8e-6, "s") == "2.8 us"
    assert in_unit(1e3, "FLOP/s") == "0.001 MFLOP/s"
    for dimension, (low, high) in POSSIBLE.items():
        for value in (low, high):
            number, unit = in_unit(value, dimension).split()
            assert float(number) * UNITS[dimension][unit] == pytest.approx(value)
