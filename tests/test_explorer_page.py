"""The explorer page in a browser: its numbers are the program's to the digit, and it takes what users do to it."""

from __future__ import annotations

import json
import random
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Browser, needs_chromium
from conftest import NETWORK_MIXERS, SPEC_TEXTS, Run

import skaprof as api
from skaprof.errors import SkaprofError
from skaprof.model.backbones import BACKBONES
from skaprof.model.spec import parse_mixer
from skaprof.workload import DTYPE_BYTES, FORMS, MODES

pytestmark = needs_chromium
MIXER_DRAWS, BACKBONE_DRAWS = 400, 100
PLAIN = """const plain = (row) => Object.fromEntries(Object.entries(row).map(
    ([key, value]) => [key, typeof value === "bigint" ? `${value}n` : value]));"""
EXACT = f"(calls) => {{ {PLAIN} return calls.map(([name, asked]) => plain(skaprof.cost(name, asked))); }}"
MODELS = f"(calls) => {{ {PLAIN} return calls.map(([name, asked]) => skaprof.model(name, asked).map(plain)); }}"


@pytest.fixture(scope="module")
def page(skaprof: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "explorer.html"
    assert skaprof("explore", "--output", str(path)).returncode == 0
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as found:
        found.look(1440)
        yield found


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    browser.open(page)
    return browser


def number(value: Any) -> Any:
    """A value as Python has it: what the page had as a BigInt is an int."""
    return int(value[:-1]) if isinstance(value, str) and value.endswith("n") and value[:-1].isdigit() else value


def as_numbers(row: dict[str, Any]) -> dict[str, Any]:
    found = {key: number(value) for key, value in row.items()}
    ratio = found["flops_per_param"]  # a large one is written like an integer
    return found | {"flops_per_param": None if ratio is None else float(ratio)}


def mixer_calls() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """A spec, what the page is asked, and the same for Python: sizes small and huge, given in every way."""
    draw = random.Random(18)
    while True:
        text = draw.choice(SPEC_TEXTS)
        spec = parse_mixer(text)
        form = draw.choice(sorted(spec.forms()))
        heads, head_dim = draw.randint(1, 16), draw.choice((8, 16, 32, 50, 64))
        most = draw.choice((50, 5_000, 10**6))
        asked: dict[str, Any] = {"dim": heads * head_dim, "batch": draw.choice((1, 8, 10**6, 10**9))}
        asked |= {"dtype": draw.choice(sorted(DTYPE_BYTES)), "mode": draw.choice(MODES), "implementation": form}
        asked |= draw.choice(({}, {"heads": heads}, {"head_dim": head_dim}, {"heads": heads, "head_dim": head_dim}))
        if spec.mixer.kernel_size is not None and draw.random() < 0.5:
            asked["kernel_size"] = draw.choice((1, 3, 5, 9))
        if form in spec.mixer.class_token_forms and draw.random() < 0.3:
            asked["class_token"] = True
        asked |= draw.choice(({"tokens": draw.randint(1, most)}, {"size": [draw.randint(1, 99), draw.randint(1, 99)]}))
        yield text, asked, asked | ({"size": tuple(asked["size"])} if "size" in asked else {})


def test_costs_are_those_of_flops_to_the_digit(opened: Browser) -> None:
    drawn = [call for call, _ in zip(mixer_calls(), range(MIXER_DRAWS), strict=False)]
    found = opened.run(f"({EXACT})({json.dumps([call[:2] for call in drawn])})")
    huge = 0
    for (text, asked, keywords), row in zip(drawn, found, strict=True):
        expected = api.cost(text, **keywords).as_dict()
        assert as_numbers(row) == expected, (text, asked)
        huge += expected["traffic_bytes"] > 2**53
    assert huge > 60


def test_backbones_are_those_of_model_to_the_digit(opened: Browser) -> None:
    draw = random.Random(19)
    drawn = []
    while len(drawn) < BACKBONE_DRAWS:
        backbone = BACKBONES[draw.choice(sorted(BACKBONES))]
        mixers = [draw.choice((stage.mixer, *NETWORK_MIXERS)) for stage in backbone.stages]
        if draw.random() < 0.3:
            mixers[-1] = f"ska*{backbone.stages[-1].depth - 1}+pooling"
        sides = [backbone.stem_window.stride * draw.randint(4, 30) for _ in range(2)]
        asked = {"mode": draw.choice(MODES), "dtype": draw.choice(sorted(DTYPE_BYTES))}
        asked |= {"implementation": draw.choice(FORMS), "batch": draw.choice((1, 2, 10**7))}
        try:
            rows = api.model_cost(backbone.name, ",".join(mixers), resolution=tuple(sides), **asked)
        except SkaprofError:  # an image too small for its stages
            continue
        total = api.model_cost(backbone.name, ",".join(mixers), resolution=tuple(sides), depth="total", **asked)
        drawn.append((backbone.name, {**asked, "resolution": sides, "mixers": mixers}, [*rows, *total]))
    told = opened.run(f"({MODELS})({json.dumps([call[:2] for call in drawn])})")
    for (name, asked, expected), rows in zip(drawn, told, strict=True):
        for row, wanted in zip(map(as_numbers, rows), (row.as_dict() for row in expected), strict=True):
            assert row == {key: wanted[key] for key in row}, (name, asked, row["scope"])


PAIRS = [
    ("ska", "mhsa", "params", "tokens", {}),
    ("cska", "mhsa", "macs", "tokens", {"dim": 320}),
    ("cska", "mhsa", "params", "tokens", {"dim": 512}),
    ("cska", "mhsa", "macs", "dim", {"tokens": 49, "head_dim": 32}),
    ("cska", "mhsa", "macs", "kernel_size", {"tokens": 16}),
    ("ska:query=false", "mhsa", "params", "dim", {"tokens": 100, "head_dim": 32}),
    ("cska", "mhsa", "macs", "resolution", {"resolution": 224, "patch": 16, "dim": 768}),
    ("linear", "mhsa", "macs", "heads", {}),
]


@pytest.mark.parametrize(("mixer", "baseline", "metric", "axis", "sizes"), PAIRS)
def test_a_crossing_is_where_crossover_has_it(
    opened: Browser, mixer: str, baseline: str, metric: str, axis: str, sizes: dict[str, int]
) -> None:
    others = {name: value for name, value in sizes.items() if name != "resolution"}
    rows = api.crossover(mixer, baseline, axis=axis, **others)
    (row,) = (row for row in rows if (row.metric, row.implementation, row.mode) == (metric, "eager", "forward"))
    found = opened.run(f"skaprof.crossing({mixer!r}, {baseline!r}, {metric!r}, {axis!r}, {json.dumps(sizes)})")
    assert found["at"] == pytest.approx(row.crossover, rel=1e-12)


def test_kernels_on_a_machine_are_those_of_roofline(opened: Browser) -> None:
    for mixer, form in (
        ("mhsa", "sdpa"),
        ("cska", "eager"),
        ("cska", "sdpa"),
        ("cska:head_dim=1", "eager"),
        ("cska", "tiled"),
    ):
        rows = api.roofline(mixer, hardware="l4", tokens=100, dim=96, implementation=form, per_op=True)
        asked = json.dumps({"tokens": 100, "dim": 96, "implementation": form})
        found = opened.run(f"skaprof.roofline({mixer!r}, 'l4', {asked})")
        assert [(each["name"], each["kind"], each["bound"]) for each in found["kernels"]] == [
            (row.op, row.kind, row.bound) for row in rows
        ]
        assert [each["ideal_ms"] for each in found["kernels"]] == pytest.approx([row.ideal_ms for row in rows])


def typed(browser: Browser, field: str, value: str) -> None:
    """Type into a field, in place of what is in it."""
    place = f"document.getElementById('f-{field}')"
    browser.run(f"{place}.value = {value!r}; {place}.dispatchEvent(new Event('input', {{bubbles: true}}))")
    browser.frame()


def shown(browser: Browser) -> str:
    return str(browser.run("document.getElementById('mixers-table').innerText"))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("heads", "5", "5 does not divide dim 256"),
        ("head_dim", "100", "100 does not divide dim 256"),
        ("kernel_size", "4", "expected an odd number"),
        ("tokens", "0", "expected a whole number from 1"),
        ("tokens", "1e9", "expected a whole number"),
        ("dim", "", "expected a whole number"),
        ("batch", "-1", "expected a whole number"),
    ],
)
def test_what_does_not_fit_is_said_beside_its_field_and_the_last_numbers_stay(
    opened: Browser, field: str, value: str, said: str
) -> None:
    before = shown(opened)
    typed(opened, field, value)
    assert said in opened.run(f"document.getElementById('e-{field}').innerText")
    assert opened.run(f"document.getElementById('f-{field}').getAttribute('aria-invalid')") == "true"
    assert shown(opened) == before
    typed(opened, field, {"dim": "512", "kernel_size": "5", "heads": "4"}.get(field, "8"))
    assert opened.run("document.querySelectorAll('[aria-invalid]').length") == 0
    assert field == "kernel_size" or shown(opened) != before


def test_a_link_is_what_was_looked_at(opened: Browser, page: Path) -> None:
    typed(opened, "tokens", "784")
    typed(opened, "mixers", "ska:query=false")
    opened.run("document.querySelector('.add').requestSubmit()")
    opened.frame()
    opened.run("new Promise((done) => setTimeout(done, 200))")  # the address follows once nothing more changes
    fragment, rows = opened.run("location.hash"), shown(opened)
    assert fragment == "#tokens=784&mixers=mhsa,ska,cska,ska:query=false"
    opened.open(page, fragment)
    assert shown(opened) == rows


@pytest.mark.parametrize(
    "fragment",
    [
        "#dim=-1&tokens=many&mode=%3Cimg%20src=x%20onerror=alert(1)%3E",
        "#mixers=%3Cimg%20src=x%20onerror=alert(1)%3E,mhsa&baseline=none&machine=__proto__&model=constructor",
        "#heads=7",
        "#mixers=mhsa,mhsa&view=&stages=,,,",
        "#mixers=constructor&metric=toString&axis=__proto__",
        "#%E0%A4%A",
    ],
)
def test_a_fragment_that_was_tampered_with_is_the_defaults(opened: Browser, page: Path, fragment: str) -> None:
    before = shown(opened)
    opened.open(page, fragment)
    assert shown(opened) == before
    assert complaints(opened) == []


def complaints(browser: Browser) -> list[str]:
    """What the page said to its console, and what it asked of a network."""
    said = [event for event in browser.events if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")]
    asked = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    return [json.dumps(event) for event in said] + [
        url for url in asked if not url.startswith(("file:", "about:", "blob:"))
    ]


def test_the_command_beside_it_prints_the_same_numbers(opened: Browser, page: Path, skaprof: Run) -> None:
    for fragment in (
        "#by=resolution&resolution=384&heads=8&mode=train&dtype=bfloat16&mixers=mhsa,cska:kernel_size=5,ska&baseline=ska",
        "#by=size&size=7x9&class_token=1&implementation=tiled",
        "#view=backbones&model=vit_small&stages=ska:bias=true*2%2Bmhsa*10&image=224x384",
    ):
        opened.open(page, fragment)
        command = opened.run("document.getElementById('command').innerText")
        done = skaprof(*shlex.split(command)[1:], "--format", "json")
        assert done.returncode == 0, (command, done.stderr)
        rows = json.loads(done.stdout)["rows"]
        header, *lines = opened.run("skaprof.csv('table')").strip().split("\r\n")
        keys = header.split(",")
        found = [dict(zip(keys, line.split(","), strict=True)) for line in lines]
        assert [row["macs"] for row in found][: len(rows)] == [str(row["macs"]) for row in rows], command
        assert [row["traffic_bytes"] for row in found][: len(rows)] == [str(row["traffic_bytes"]) for row in rows]


def test_names_with_html_in_them_are_text(browser: Browser, skaprof: Run, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    (tmp_path / f"{name}.toml").write_text('[[stages]]\ndepth = 2\ndim = 64\nmixer = "ska"\n')
    made = tmp_path / "page.html"
    done = skaprof("explore", "--model", f"{tmp_path}/{name}.toml", "--title", name, "--output", str(made))
    assert done.returncode == 0, done.stderr
    browser.open(made)
    assert browser.run("document.images.length") == 0
    assert browser.run("document.title") == f"{name} - skaprof"
    assert name in browser.run("document.body.innerText")
    assert complaints(browser) == []


def test_figures_are_saved_as_svg_and_rows_as_csv(opened: Browser) -> None:
    assert (
        opened.run("['ops', 'curves', 'machine'].map((card) => skaprof.svg(card).startsWith('<svg xmlns='))")
        == [True] * 3
    )
    rows = opened.run("skaprof.csv('curves')").split("\r\n")
    assert rows[0].endswith("dtype,macs")
    assert len(rows) > 100


def test_both_views_and_every_width_hold_what_they_show(opened: Browser, page: Path) -> None:
    """No card is wider than the window: only tables scroll, in their own frames."""
    try:
        for width in (390, 768, 1440):
            opened.look(width)
            for fragment in ("", "#view=backbones&model=caformer_s18&stages=sepconv,sepconv,ska,mhsa"):
                opened.open(page, fragment)
                assert opened.run("document.documentElement.scrollWidth") <= width, (width, fragment)
    finally:
        opened.look(1440)


def test_every_field_has_a_name_and_is_reached_by_the_keyboard(opened: Browser) -> None:
    nameless = """[...document.querySelectorAll("input, select, button")].filter((each) => !each.labels?.length &&
        !each.getAttribute("aria-label") && !each.textContent.trim()).map((each) => each.outerHTML)"""
    assert opened.run(nameless) == []
    opened.run("document.getElementById('s-tokens').focus()")
    for kind in ("rawKeyDown", "keyUp"):
        opened.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39)
    opened.frame()
    assert opened.run("skaprof.state().tokens") == "225"
