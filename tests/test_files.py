"""Files are written whole or not at all, whatever stands there and whatever goes wrong."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from skaprof.bench.store import Store
from skaprof.errors import SkaprofError, named
from skaprof.files import append, write_folder, write_whole

OUTPUT = named("output")


def failing() -> Iterator[str]:
    yield "half"
    raise OSError(28, "No space left on device")


def test_what_stood_there_still_stands_when_writing_fails_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("old")
    with pytest.raises(SkaprofError, match=r"^output: .*rows.json' cannot be written: No space") as caught:
        write_whole(OUTPUT, str(path), failing())
    assert caught.value.in_options().startswith("--output: ")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["rows.json"]


def test_a_link_stays_and_its_target_keeps_its_mode(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    write_whole(OUTPUT, str(link), ["new"])
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_dangling_link_is_written_through(tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "target.json")
    write_whole(OUTPUT, str(link), ["new"])
    assert link.is_symlink()
    assert (tmp_path / "target.json").read_text() == "new"


def test_a_new_file_has_the_mode_of_the_users_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(OUTPUT, str(tmp_path / "new.json"), ["new"])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o640


def test_what_utf8_lacks_is_escaped_and_a_name_that_is_not_utf8_is_written(tmp_path: Path) -> None:
    name = os.fsdecode(bytes(tmp_path) + b"/\xff.json")
    write_whole(OUTPUT, name, [f'"{name[-6:]}"'])
    assert Path(name).read_bytes() == rb'"\udcff.json"'
    append(OUTPUT, name, ["\udcff"])
    assert Path(name).read_bytes() == rb'"\udcff.json"\udcff'


@pytest.mark.parametrize("name", ["", "-", "a\0b", "half a pair \ud800.json", "long" * 1000])
def test_a_name_that_cannot_be_one_is_refused_before_anything_is_made(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chunks = iter(["text"])
    with pytest.raises(SkaprofError, match=r"^output: .* is not valid: expected a file name"):
        write_whole(OUTPUT, name, chunks)
    assert list(chunks) == ["text"]
    assert os.listdir(tmp_path) == []


def test_rows_of_measurements_go_through_a_link_and_keep_the_mode(tmp_path: Path) -> None:
    target, link = tmp_path / "runs.jsonl", tmp_path / "link.jsonl"
    target.touch(0o600)
    link.symlink_to(target)
    store = Store(link)
    store.start({"command": "skaprof latency --output \udcff"})
    store.append([{"mixer": "ska"}])
    store.rewrite([{"mixer": "mhsa"}])
    assert link.is_symlink()
    assert target.read_text() == '{"command": "skaprof latency --output \\udcff"}\n{"mixer": "mhsa"}\n'
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["link.jsonl", "runs.jsonl"]


def test_a_file_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(SkaprofError, match="the file is gone"):
        append(OUTPUT, str(tmp_path / "gone.jsonl"), ["row"])
    assert os.listdir(tmp_path) == []


def test_a_folder_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    write_folder(OUTPUT, str(folder), {"a": b"1", "b": b"2"}, None)
    with pytest.raises(SkaprofError, match="it is there already: force replaces it"):
        write_folder(OUTPUT, str(folder), {"c": b"3"}, None)
    with pytest.raises(SkaprofError, match="cannot be written"):
        write_folder(OUTPUT, str(folder), {"c": b"3", "no/such": b"4"}, lambda _: None)
    assert sorted(os.listdir(folder)) == ["a", "b"]
    write_folder(OUTPUT, str(folder), {"c": b"3"}, lambda _: None)
    assert os.listdir(folder) == ["c"]
    assert os.listdir(tmp_path) == ["report"]
