"""Sizes measured on a Dask cluster: the rows of one machine's run, whatever becomes of workers and scheduler."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import pytest
from cluster_tasks import DIES, KILLS_ITS_WORKER, REFUSES, costs_of, measured
from conftest import ROOT, Run, thorough

pytest.importorskip("distributed", reason="needs the extra skaprof[cluster]")

from skaprof.bench import answering, worker
from skaprof.bench.configuration import Entry, Options
from skaprof.bench.cpu import CpuDevice
from skaprof.bench.modules import NetworkEntry, UserEntry
from skaprof.bench.session import Session
from skaprof.bench.travelling import packed, unpacked
from skaprof.bench.user_models import ModelEntry
from skaprof.cluster import joining
from skaprof.cluster import pool as pools
from skaprof.cluster.address import Address, parse_address
from skaprof.cluster.joining import connected, quietly
from skaprof.cluster.local import local_cluster
from skaprof.cluster.pool import Call, Pool, Worker
from skaprof.cluster.timing import ClusterTiming, Judge
from skaprof.errors import EXIT_MISSING, SkaprofError
from skaprof.foreign_code import UserModule, hash_there
from skaprof.foreign_model import UserModel
from skaprof.own_rows import PartRow

CHECK = Call("cluster_tasks:machine", {}, 60)


@dataclass(frozen=True)
class Tiny:
    """A size of the fake device, which takes so long in truth, and may do worse."""

    mixer: str
    tokens: int
    seconds: float = 0.0
    does: str = ""
    runtime: str = "pytorch"

    def head(self) -> dict[str, Any]:
        return {**costs_of(self.mixer, self.tokens).as_dict(), "runtime": "pytorch"}


def sizes(count: int, seconds: float = 0.0, does: dict[int, str] | None = None) -> list[list[Tiny]]:
    return [
        [Tiny(mixer, 1 + place, seconds, (does or {}).get(place, "")) for mixer in ("mhsa", "ska")]
        for place in range(count)
    ]


class Quiet:
    """Who watches, and keeps what is said. `told` may do something at each look."""

    def __init__(self, told: Callable[[], None] = lambda: None) -> None:
        self.said: list[str] = []
        self.told = told

    def say(self, words: str) -> None:
        self.said.append(words)

    def steps(self, count: int) -> Any:
        return nullcontext(self)

    def rescue(self, rows: object) -> None: ...

    def tick(self, rounds: int) -> None: ...

    def advance(self) -> None: ...

    def at(self, share: float) -> None: ...

    def tell(self, words: str) -> None:
        self.told()


@contextmanager
def two_workers() -> Iterator[Any]:
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    try:
        asked = dict(os.environ)
        with quietly(), local_cluster(2) as cluster, connected(cluster, Address("", 2)) as client:
            yield client
        assert dict(os.environ) == asked  # Dask's variables are its workers', and nobody else's
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with two_workers() as made:
        yield made


@pytest.fixture(autouse=True)
def tiny_sizes_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "packed", lambda entry: asdict(entry) if isinstance(entry, Tiny) else packed(entry))


def joined(client: Any, judge: Callable[[Any], str | None] = lambda machine: None, check: Call = CHECK) -> Pool:
    pool = Pool(client, Address("", 2), check, judge, lambda words: None)
    pool.gather()
    return pool


def session(pool: Pool, watcher: Quiet | None = None, function: str = "cluster_tasks:rows", **named: Any) -> Session:
    options = {"isolate": False, "anonymous": False, **named}
    there = ClusterTiming(pool, function=function, **options)
    return Session(Options("cpu"), CpuDevice(), inf, watcher or Quiet(), isolate=False, elsewhere=there)


ELSEWHERE = ("host", "environment", "reruns")


def told_by_size(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in ELSEWHERE} for row in rows]


def serial(groups: list[list[Tiny]]) -> list[dict[str, Any]]:
    return [row for group in groups for row in measured([asdict(entry) for entry in group])]


def test_the_rows_and_the_file_are_a_serial_runs_but_for_who_measured(client: Any, tmp_path: Path) -> None:
    groups, made = sizes(40), session(joined(client))
    assert all(os.getpgid(number) == number for number in workers_of(client))  # Ctrl-C at a terminal is not theirs
    made.prepare(str(tmp_path / "fake.jsonl"), None, "skaprof latency")
    assert made.run(groups) is False
    assert json.dumps(told_by_size(made.rows)) == json.dumps(serial(groups))
    head, *lines = map(json.loads, (tmp_path / "fake.jsonl").read_text().splitlines())
    assert lines == made.rows
    assert {row["host"] for row in lines} == {os.uname().nodename}
    assert {row["reruns"] for row in lines} == {0}
    assert len({row["environment"]["pid"] for row in lines}) == 2  # both worked, each in one process
    assert head["environment"] == {"device": "fake", "torch": "1.0"}


def test_what_is_interrupted_is_kept_and_gone_on_with(client: Any, tmp_path: Path) -> None:
    path, groups = str(tmp_path / "fake.jsonl"), sizes(30, seconds=0.02)
    looks = iter(range(6))

    def interrupt() -> None:
        if next(looks, None) is None:
            raise KeyboardInterrupt

    first = session(joined(client), Quiet(interrupt))
    first.prepare(path, None, "skaprof latency")
    assert first.run(groups) is True
    again = session(joined(client), anonymous=True)
    again.prepare(None, path, "skaprof latency")
    assert again.run(groups) is False
    assert told_by_size(again.rows) == serial(groups)
    assert len(Path(path).read_text().splitlines()) == 1 + 60
    hosts = Counter(row["host"] for row in again.rows)
    assert hosts[None] == 60 - len(first.rows) > 0


def test_a_call_that_kills_its_worker_is_run_again_twice_and_takes_no_other_with_it(client: Any) -> None:
    groups = sizes(12, seconds=0.02, does={3: KILLS_ITS_WORKER, 5: DIES, 7: REFUSES})
    made = session(joined(client))
    assert made.run(groups) is False
    errors = {row["tokens"]: (row["verdict"], row["error"], row["reruns"]) for row in made.rows if row.get("error")}
    words = "its worker was lost, and so were the 2 that it was handed to after that"
    assert errors == {
        4: ("crashed", words, 2),
        6: ("crashed", "its process ended with code 3: no message", 0),
        8: ("crashed", "the GPU stopped answering", 0),
    }
    good = [row for row in made.rows if not row.get("error")]
    assert told_by_size(good) == [row for row in serial(groups) if row["tokens"] not in errors]
    assert len(made.rows) == 24


@thorough
@pytest.mark.parametrize("seed", range(20))
def test_workers_killed_at_random_lose_no_row_and_double_none(seed: int) -> None:
    random, groups, stopped = Random(seed), sizes(100, seconds=0.05), False
    with two_workers() as client:

        def kill() -> None:
            while not stopped:
                time.sleep(random.uniform(0.3, 1.5))
                for number in random.sample(there, 1) if (there := sorted(workers_of(client))) else ():
                    os.kill(number, signal.SIGKILL)

        made = session(joined(client))
        killer = Thread(target=kill, daemon=True)
        killer.start()
        try:
            assert made.run(groups) is False
        finally:
            stopped = True
            killer.join()
    assert [row["tokens"] for row in made.rows] == [1 + place for place in range(100) for _ in range(2)]
    good = [row for row in made.rows if not row.get("error")]
    assert told_by_size(good) == [row for row in serial(groups) if row["tokens"] in {each["tokens"] for each in good}]
    assert all(row["reruns"] == 2 for row in made.rows if row.get("error"))


def workers_of(client: Any) -> list[int]:
    """The processes of a local cluster's workers that are there now; one that just starts would not be started anew."""
    known = [nanny.process for nanny in client.cluster.workers.values()]
    return [each.pid for each in known if each is not None and each.worker_address is not None and each.pid]


def test_workers_that_will_not_do_are_refused_by_name_before_anything_runs(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SkaprofError) as refused:
        joined(client, Judge({"skaprof": "0.1", "torch": "2.0"}, allowed=False))
    first, *below = refused.value.message.splitlines()
    assert (first, refused.value.exit_code) == ("cluster: 2 of 2 workers cannot measure this:", EXIT_MISSING)
    assert all(line.startswith(f"  {os.uname().nodename} (tcp://127.0.0.1:") for line in below)
    said = "it has skaprof None (here 0.1) and torch 1.0 (here 2.0); allow_different_versions measures all the same"
    assert all(line.endswith(said) for line in below)
    with pytest.raises(SkaprofError, match="No module named 'nowhere'"):
        joined(client, check=Call("nowhere:machine", {}, 60))
    monkeypatch.setattr(pools, "_OURS", "__import__('importlib').import_module('skaprof.nowhere')")
    with pytest.raises(SkaprofError, match=r"2 of 2 workers .*\n.* it has no skaprof of this version"):
        joined(client)
    assert len(client.nthreads()) == 2


def test_versions_may_differ_where_that_is_allowed_and_kinds_of_devices_never() -> None:
    judge = Judge({"torch": "2.0"}, allowed=True)
    assert judge({"device": "cuda:0", "environment": {"torch": "1.0"}}) is None
    assert judge({"device": "cuda:1", "environment": {"torch": "2.0"}}) is None
    other = judge({"device": "cpu", "environment": {"torch": "2.0"}})
    assert other is not None
    assert other.startswith("its device is cpu, and that of another cuda")


def test_workers_without_the_resource_get_nothing_and_that_is_said() -> None:
    said: list[str] = []
    pool = Pool(None, Address("tcp://host:1"), CHECK, lambda machine: None, said.append)
    given: list[Worker] = []
    pool.hand_out = lambda worker, calls: given.append(worker)  # type: ignore[method-assign]  # a spy
    there = {"tcp://a:1": {"resources": {}}, "tcp://b:1": {"resources": {"skaprof-device": 1.0}}}
    pool._take_in(there)
    pool._take_in(there)
    assert [worker.address for worker in given] == ["tcp://b:1"]
    assert [words.partition(": ")[2] for words in said] == ["1 of 2 workers have no skaprof-device=1, and get nothing"]


@pytest.mark.parametrize(
    "text", ["local:0", "local:x", "local:", "local:-1", "host:80", "tcp://host", "tcp://host:0", "http://h:1", ""]
)
def test_what_is_no_address_is_refused(skaprof: Run, text: str) -> None:
    done = skaprof("latency", "--cluster", text)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--cluster: " in done.stderr
    assert "expected" in done.stderr


@pytest.mark.parametrize("text", ["tcp://10.0.0.7:8786", "tls://node-7.example:1", "tcp://[::1]:8786"])
def test_addresses(text: str) -> None:
    assert str(parse_address(text)) == text


def test_flags_of_a_cluster_need_one(skaprof: Run) -> None:
    done = skaprof("latency", "--anonymous")
    assert (done.returncode, done.stderr) == (2, "skaprof: --anonymous: expected with --cluster, which is not given\n")


def test_no_scheduler_there_is_said_with_how_to_start_one(skaprof: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_CONNECTING", 0.2)
    done = skaprof("latency", "--cluster", "tcp://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (EXIT_MISSING, "")
    assert "there is no scheduler at tcp://127.0.0.1:9" in done.stderr
    assert "dask scheduler --port 9" in done.stderr
    assert "dask worker tcp://127.0.0.1:9 --nthreads 1 --resources skaprof-device=1" in done.stderr


@pytest.mark.usefixtures("steady_clock")
def test_a_workers_process_gives_the_rows_of_a_run_here() -> None:
    entry = Entry("mhsa", "forward", "float32", "eager", (1, 2, 2, 8, 1, 8, None))
    options = Options("cpu", baseline="mhsa (eager)", rounds=8)
    asked = {"device": "auto", "timing": None, "clock": "auto", "tf32": False, "allocator": "as-is", "threads": None}
    machine = answering.machine(asked | {"runtimes": ["pytorch"], "implementations": ["eager"]})
    assert machine["device"] == "cpu"
    found = answering.rows(worker.task_of([entry], options, inf))
    ((row,), stamp) = found["rows"], found["environment"]
    assert (row["error"], row["verdict"], row["device"]) == (None, "baseline", "cpu")
    assert stamp | {"load": 0} == machine["environment"] | {"load": 0}
    huge = Entry("mhsa", "forward", "float32", "eager", (1, 3000, 3000, 8, 1, 8, None))
    (row,) = answering.rows(worker.task_of([huge], options, inf))["rows"]
    assert row["verdict"] == "out-of-memory"


def test_a_users_code_travels_by_its_path_and_is_refused_where_it_is_another(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from torch import nn\n\n\ndef mine():\n    return nn.Identity()\n")
    path = f"{tmp_path / 'mine.py'}:mine"
    user, model = UserModule(path, (("dim", "{dim}"),), "BHWC"), UserModel(path, shapes=((1, 2), (3, 4)))
    counted = costs_of("mhsa", 4).as_dict()
    part = PartRow(**dict.fromkeys(PartRow.fields) | {"mode": "forward", "batch": 3})
    entries = [
        UserEntry(user, counted, "eager", "train"),
        NetworkEntry("vit_tiny", None, (32, 48), 2, "forward", "float32", "sdpa"),
        ModelEntry(model, part, "compile"),
    ]
    for entry in entries:
        assert unpacked(json.loads(json.dumps(packed(entry)))) == entry
    found = hash_there("--module", path)
    answering._require_same("--module", path, found)
    with pytest.raises(SkaprofError, match=r"is another file, of hash \w{16}: expected 0, as where this began"):
        answering._require_same("--module", path, "0")
    for missing in (f"{tmp_path / 'other.py'}:mine", str(tmp_path / "other.toml")):
        with pytest.raises(SkaprofError, match="expected a file that exists"):
            answering._require_same("--model", missing, found)


def test_a_scheduler_that_vanishes_leaves_what_was_measured(client: Any, tmp_path: Path) -> None:
    """The last of this file: no test has its cluster after it."""
    looks = iter(range(4))

    def vanish() -> None:
        if next(looks, None) is None:
            client.cluster.close()

    made = session(joined(client), Quiet(vanish))
    made.prepare(str(tmp_path / "fake.jsonl"), None, "skaprof latency")
    with pytest.raises(SkaprofError, match="the scheduler has gone") as gone:
        made.run(sizes(100, seconds=0.02))
    assert gone.value.exit_code == EXIT_MISSING
    _, *lines = map(json.loads, (tmp_path / "fake.jsonl").read_text().splitlines())
    assert lines == made.rows
    assert 0 < len(lines) < 200
