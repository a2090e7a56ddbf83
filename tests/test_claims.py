"""Claims: the grammar and its places, exact figures, intervals, and how a claim comes out over all its sizes."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

import skaprof
from skaprof.analysis.claims.backbones import BACKBONES as BACKBONES_OF_MODELS
from skaprof.analysis.claims.backbones import Backbones
from skaprof.analysis.claims.figures import Sources
from skaprof.analysis.claims.grammar import parse_claim
from skaprof.analysis.claims.judge import Verdict, judge
from skaprof.analysis.claims.nodes import ClaimError, Figure, Number, Operation
from skaprof.analysis.claims.sizes import Point, points_of
from skaprof.analysis.claims.units import SUFFIXES, quantity
from skaprof.errors import SkaprofError
from skaprof.saved import read_results

RUN = ROOT / "tests" / "data" / "runs.jsonl"
AT = "@ size=7x7,dim=512,mode=train"


def verdict(text: str, sources: Sources | None = None) -> Verdict:
    return judge(parse_claim(text), sources or Sources())


def outcome(text: str, sources: Sources | None = None) -> str:
    return verdict(text, sources).outcome


def error_of(text: str) -> tuple[str, int]:
    with pytest.raises(ClaimError) as caught:
        verdict(text)
    return caught.value.message, caught.value.column


def test_a_claim_is_read_as_written() -> None:
    claim = parse_claim("cska:kernel_size=5.macs <= 0.85 * mhsa/sdpa.macs @ tokens=49,98,dim=512")
    assert claim.left == Figure("cska:kernel_size=5", None, "macs", 0)
    assert claim.comparator == "<="
    assert claim.right == Operation("*", Number(quantity("0.85", ""), 27), Figure("mhsa", "sdpa", "macs", 34), 32)
    assert {key: given.value for key, given in claim.sizes.items()} == {"tokens": "49,98", "dim": "512"}


@st.composite
def sums(draw: st.DrawFn, depth: int = 3) -> tuple[str, Fraction]:
    """An expression of numbers as text, with blanks or without, and its value."""
    blank = draw(st.sampled_from(("", " ", "  ")))
    if depth == 0 or draw(st.booleans()):
        digits = draw(st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,3})?", fullmatch=True))
        suffix = draw(st.sampled_from(("", "%", "k", "M", "G", "T")))
        return f"{blank}{digits}{suffix}{blank}", Fraction(digits) * SUFFIXES[suffix][0]
    left, right = draw(sums(depth - 1)), draw(sums(depth - 1))
    sign = draw(st.sampled_from("+-*"))
    value = {"+": left[1] + right[1], "-": left[1] - right[1], "*": left[1] * right[1]}[sign]
    return f"({left[0]}){sign}{blank}({right[0]})", value


@given(sums(), sums())
def test_numbers_are_exact(left: tuple[str, Fraction], right: tuple[str, Fraction]) -> None:
    worst = verdict(f"{left[0]} <= {right[0]}").worst
    assert worst.left is not None
    assert worst.right is not None
    assert (worst.left.value, worst.right.value) == (left[1], right[1])
    assert worst.outcome == ("holds" if left[1] <= right[1] else "fails")


@given(st.text(max_size=40) | st.text("ska.mhpr<=>~0123456789@,:[]()+-*/% \t", max_size=40))
def test_any_text_is_a_claim_or_an_error_at_a_place_in_it(text: str) -> None:
    try:
        parse_claim(text)
    except ClaimError as error:
        found = error
        assert 0 <= found.column <= len(text)  # most texts are no claims, a few are
        assert "\n" not in found.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14),
        ("2 * 3 + 4", 10),
        ("10 - 2 - 3", 5),
        ("12 / 2 / 3", 2),
        ("-2 * -(3 - 4)", -2),
        ("1_000 + 1e3", 2000),
        ("2 MiB / 1 KiB", 2048),
        ("5ms / 500 us", 10),
        ("50%", Fraction(1, 2)),
        ("tokens * dim", 196 * 256),
        ("height + width + batch", 29),
        ("heads * 1000 + head_dim", 8032),
        ("ska.macs", skaprof.cost("ska").macs),
        ("ska/sdpa.traffic_bytes / 1B", skaprof.cost("ska", implementation="sdpa").traffic_bytes),
    ],
)
def test_operators_bind_as_in_arithmetic(text: str, value: Fraction) -> None:
    worst = verdict(f"{text} == {value}" if value == int(value) else f"{text} >= 0").worst
    assert worst.left is not None
    assert worst.left.value == value


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        ("9.45M ~= 9.5M", True),
        ("9.55M ~= 9.5M", True),
        ("9.449M ~= 9.5M", False),
        ("9.5M ~= 9.50M", True),
        ("9.51M ~= 9.50M", False),
        ("12_797M ~= 12.8G", True),
        ("28_983_186 ~= 28.98M", True),
        ("28_983_186 ~= 28.0M", False),
        ("8_160M ~= 8.2G", True),
        ("9.5M ~= 9_000_000 + 460k", True),
        ("3 ~= 3", True),
        ("4 ~= 3", False),
        ("1 < 1", False),
        ("1 <= 1", True),
        ("1 > 1", False),
        ("1 >= 1", True),
        ("1 == 1.0", True),
        ("1 == 1.01", False),
    ],
)
def test_comparators(claim: str, holds: bool) -> None:
    assert outcome(claim) == ("holds" if holds else "fails")


@given(
    st.sampled_from(("mhsa", "ska", "cska", "ska:query=false", "linear", "sepconv")),
    st.sampled_from(("params", "macs", "flops", "elementwise_flops", "weight_bytes", "traffic_bytes", "saved_bytes")),
    st.integers(1, 40),
    st.integers(1, 20),
    st.sampled_from(("forward", "train")),
)
def test_figures_are_those_of_the_closed_forms(spec: str, metric: str, side: int, heads: int, mode: str) -> None:
    dim = heads * 16
    true = getattr(skaprof.cost(spec, size=(side, 3), dim=dim, mode=mode), metric)
    sizes = f"@ size={side}x3,dim={dim},mode={mode}"
    assert outcome(f"{spec}.{metric} == {true} {sizes}") == "holds"
    assert outcome(f"{spec}.{metric} == {true + 1} {sizes}") == "fails"


def test_a_peak_is_claimed_of_inference_alone() -> None:
    peak = skaprof.cost("mhsa").peak_bytes
    assert outcome(f"mhsa.peak_bytes == {peak} @ mode=forward") == "holds"
    assert outcome("mhsa.peak_bytes > 0 @ mode=train") == "not testable here"


def test_a_grid_makes_a_claim_about_every_size() -> None:
    found = verdict("cska.macs < mhsa.macs @ tokens=1:100,dim=512")
    assert (found.outcome, found.sizes, found.sizes_alike) == ("fails", 100, 37)
    assert found.worst.point.text(found.claim.sizes) == "tokens=64,dim=512"
    assert outcome("cska.macs < mhsa.macs @ tokens=1:63,dim=512") == "holds"


def test_sizes_are_the_words_of_the_command_line() -> None:
    claim = "cska.params == {} @ resolution=112,patch=16,dim=320,head_dim=16,kernel_size=5,batch=2,dtype=bfloat16"
    true = skaprof.cost("cska", size=(7, 7), dim=320, head_dim=16, kernel_size=5).params
    assert outcome(claim.format(true)) == "holds"


PLACES = [
    ("cska.mac <= 1", 5, "did you mean 'macs'"),
    ("skka.macs <= 1", 0, "did you mean 'ska'"),
    ("1 <= ska:qery=false.macs", 5, "did you mean 'ska:query=false'"),
    ("caformer_s17[stage3=ska].params <= 26M", 0, "did you mean 'caformer_s18'"),
    ("ska[stage3=ska].params <= 26M", 0, "expected a backbone before the ["),
    ("ska.weight_bytes <= 5 ms", 17, "this compares bytes with time"),
    ("ska.macs + ska.weight_bytes <= 5", 9, "this joins a plain number with bytes"),
    ("ska.macs <= 5 q", 14, "no unit 'q'"),
    ("ska.macs 5", 9, "found '5': expected an operator or one of <="),
    ("ska.macs = 5", 9, "found '='"),
    ("ska.macs <= ", 12, "found the end: expected a number"),
    ("ska.macs <= (5", 14, "found the end: expected an operator or )"),
    ("ska.macs <= 5)", 13, "found ')': expected an operator, @ or the end"),
    ("ska <= 5", 4, "expected a dot and a figure of 'ska'"),
    ("ska. <= 5", 5, "expected a figure: one of params"),
    ("ska:.macs <= 5", 3, "expected an option after the colon"),
    ("caformer[stage.macs <= 5", 8, "never closed"),
    ("ska.macs <= 5 @ tokns=4", 16, "did you mean 'tokens'"),
    ("ska.macs <= 5 @ tokens=4x", 23, "tokens: '4x' is not valid"),
    ("ska.macs <= 5 @ tokens=4,dim=", 29, "expected a value of dim"),
    ("ska.macs <= 5 @ tokens=4,size=2x2", 30, "tokens and size all name the token grid"),
    ("ska.macs <= 5 @ tokens=4,tokens=5", 25, "given twice"),
    ("ska.macs <= 5 @ mode=backward", 21, "mode: 'backward'"),
    ("ska.macs <= 5 @ kernel_size=4", 28, "an odd number"),
    ("ska.macs <= 5 @ heads=7,dim=256", 0, "ska: heads: '7'"),
    ("ska.macs <= 5 @ tokens=1:1000,dim=1:1000", 23, "1,000,000 sizes: expected at most 100,000"),
    ("ska.macs <= 5 / (2 - 2)", 14, "divides by zero"),
    ("cska.macs == kernel_size", 13, "kernel_size is not given"),
    ("5 <= heads @ heads=7,dim=256", 5, "heads: '7' is not valid"),
    ("ska.macs ~= mhsa.macs", 9, "rounds to a printed number"),
    ("sepconv/sdpa.macs <= 5", 0, "sepconv has no 'sdpa' form"),
    ("(" * 60 + "1", 50, "more than 50"),
    ("1 <= " + "1" * 3000, 0, "3,005 characters"),
    ("1e99 * 1e99 <= 5", 5, "beyond 1e100"),
    ("1 / 1e60 / 1e60 <= 5", 9, "within 1e-100"),
    ("\x1b[31m <= 5", 0, r"found '\x1b'"),
]


@pytest.mark.parametrize(("text", "column", "words"), PLACES, ids=[text[:30] for text, *_ in PLACES])
def test_an_error_points_at_its_place(text: str, column: int, words: str) -> None:
    message, place = error_of(text)
    assert words in message
    assert place == column
    assert "\x1b" not in message


def stub(spec: str, point: Point, implementation: str) -> dict[str, int]:
    if "banana" in spec:
        raise SkaprofError("stage3: 'banana' is not valid")
    return {"params": 23_565_336 if "[" in spec else 26_341_656, "macs": 40 * point.resolution[0] ** 2}


BACKBONES = Backbones({"caformer_s18": 224}, stub)


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("caformer_s18.params == 26_341_656", "holds"),
        ("caformer_s18[stage3=ska:query=false,stage4=ska].params <= 0.9 * caformer_s18.params", "holds"),
        ("caformer_s18.macs == 40 * 384 * 384 @ resolution=384", "holds"),
        ("caformer_s18.macs == 40 * 225 * 225 @ resolution=225", "holds"),  # no multiple of any patch
        ("caformer_s18.macs <= 3M @ resolution=224,384", "fails"),
        ("caformer_s18.median_ms <= 3ms", "not testable here"),
    ],
)
def test_backbones_are_looked_up_in_one_place(claim: str, expected: str) -> None:
    assert outcome(claim, Sources(backbones=BACKBONES)) == expected


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ("caformer_s81.params <= 5", "did you mean 'caformer_s18'"),
        ("caformer_s18[stage3=banana].params <= 5", "'banana' is not valid"),
        ("caformer_s18.params <= 5 @ tokens=49", "tokens: a backbone has its own"),
    ],
)
def test_a_backbone_that_is_none_is_an_error(claim: str, words: str) -> None:
    with pytest.raises(ClaimError, match=r".*") as caught:
        outcome(claim, Sources(backbones=BACKBONES))
    assert words in caught.value.message


def measured(tmp_path: Any, change: Callable[[dict[str, Any]], None] = lambda row: None) -> Sources:
    head, *rows = map(json.loads, RUN.read_text().splitlines())
    for row in rows:
        change(row)
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(json.dumps(document) + "\n" for document in (head, *rows)))
    return Sources([read_results(path, "--results")])


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (f"ska.median_ms <= 0.95 * mhsa.median_ms {AT}", "holds"),
        (f"ska.median_ms <= 0.85 * mhsa.median_ms {AT}", "inconclusive"),
        (f"ska.median_ms <= 0.75 * mhsa.median_ms {AT}", "fails"),
        (f"mhsa.median_ms >= 1.08 * ska.median_ms {AT}", "holds"),
        (f"2 * mhsa.median_ms / 4 >= 0.54 * ska.median_ms {AT}", "holds"),
        (f"2 * mhsa.median_ms / 4 <= 0.75 * ska.median_ms {AT}", "holds"),
        (f"mhsa.median_ms - ska.median_ms > 0.1 {AT}", "holds"),
        (f"mhsa.median_ms - ska.median_ms > 0.3 {AT}", "inconclusive"),
        (f"1 / ska.median_ms < 0.6 {AT}", "holds"),
        (f"1 / ska.median_ms < 0.55 {AT}", "inconclusive"),
        (f"-ska.median_ms < -1.6 {AT}", "holds"),
        (f"ska.images_per_s >= 1.08 * mhsa.images_per_s {AT}", "holds"),
        (f"cska.median_ms > 1.2 * mhsa.median_ms {AT}", "holds"),
        (f"ska.median_ms < cska.median_ms {AT}", "holds"),  # neither is the baseline: medians
        (f"ska.median_ms < 3ms {AT}", "holds"),
        (f"ska.median_ms < 500us {AT}", "fails"),
        (f"ska.median_ms < 1.8 {AT}", "inconclusive"),
        (f"ska.median_ms ~= 2 {AT}", "holds"),
        (f"ska.median_ms ~= 1.8 {AT}", "inconclusive"),
        (f"ska/sdpa.median_ms < mhsa/eager.median_ms {AT}", "holds"),
        (f"ska.median_ms < mhsa.median_ms {AT},device=cpu,timing=hot", "holds"),
        (f"ska.median_ms < mhsa.median_ms {AT},device=cuda", "not testable here"),
        (f"ska.median_ms < mhsa.median_ms {AT},timing=cold", "not testable here"),
        (f"linear.median_ms < mhsa.median_ms {AT}", "not testable here"),
        (f"ska.peak_memory_bytes < 5 MiB {AT}", "not testable here"),
        ("ska.median_ms < mhsa.median_ms @ size=9x9", "not testable here"),
    ],
)
def test_times_are_judged_by_their_intervals(tmp_path: Any, claim: str, expected: str) -> None:
    assert outcome(claim, measured(tmp_path)) == expected


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("vit_tiny[stage1=ska].median_ms <= 3ms @ resolution=32", "holds"),
        ("vit_tiny[stage1=SKA]/eager.median_ms <= 500us @ resolution=32,device=cpu", "fails"),
        ("vit_tiny[stage1=ska].median_ms <= 3ms", "not testable here"),
        ("vit_tiny.median_ms <= 3ms @ resolution=32", "not testable here"),
    ],
)
def test_backbones_are_judged_by_what_was_timed_of_them(tmp_path: Any, claim: str, expected: str) -> None:
    def timed_of_a_backbone(row: dict[str, Any]) -> None:
        if (row["mixer"], row["implementation"]) == ("ska", "eager"):
            point = points_of(parse_claim("vit_tiny.params > 0 @ resolution=32"), of_tokens=False)[0]
            row |= BACKBONES_OF_MODELS.row("vit_tiny[stage1=ska]", point, "eager")

    assert outcome(claim, measured(tmp_path, timed_of_a_backbone)) == expected


def test_a_backbone_is_judged_at_its_own_image_size_unless_the_claim_says_another() -> None:
    own = "vit_cifar[stage1=ska:heads=10:head_dim=64].params == 9_475_818"
    assert judge(parse_claim(own), Sources()).outcome == "holds"
    assert judge(parse_claim(f"{own} @ resolution=64"), Sources()).outcome == "fails"
    two = "vit_cifar.params < vit_tiny.params"
    with pytest.raises(ClaimError, match="vit_cifar of 32 x 32 and vit_tiny of 224 x 224: expected resolution="):
        judge(parse_claim(two), Sources())
    assert judge(parse_claim(f"{two} @ resolution=32"), Sources()).outcome == "fails"


def test_an_open_device_is_any_that_was_measured_at_that_size(tmp_path: Any) -> None:
    """Rows of another device at another size, or of one mixer only, do not make the claim untestable."""
    gpu = tmp_path / "gpu.jsonl"
    text = RUN.read_text().replace('"device": "cpu", "timing"', '"device": "NVIDIA H100", "timing"')
    gpu.write_text(text.replace('"dim": 512, "heads": 16', '"dim": 256, "heads": 8'))
    both = Sources([read_results(RUN, "-r"), read_results(gpu, "-r")])
    assert outcome(f"ska.median_ms < mhsa.median_ms {AT}", both) == "holds"
    found = verdict(f"ska.median_ms < mhsa.median_ms {AT},device=cpu,cuda", both)
    assert (found.outcome, found.sizes, found.worst.point.device) == ("not testable here", 2, "cuda")
    assert outcome("ska.median_ms < mhsa.median_ms @ size=7x7,dim=256,mode=train,device=h100", both) == "holds"


def test_without_results_no_time_is_testable() -> None:
    found = verdict(f"ska.median_ms <= 0.95 * mhsa.median_ms {AT}")
    assert (found.outcome, found.worst.reason) == ("not testable here", "no results of ska (eager)")


def test_a_pair_of_one_run_is_judged_by_its_ratio(tmp_path: Any) -> None:
    """The medians' intervals overlap by far; the ratio, taken round by round, is clear."""

    def drift(row: dict[str, Any]) -> None:
        row.update(ci_low_ms=row["ci_low_ms"] / 2, ci_high_ms=row["ci_high_ms"] * 2, aa_low=1.0, aa_high=1.0)

    claim = f"ska.median_ms < {{}}mhsa.median_ms {AT}"
    paired = verdict(f"ska.median_ms < 0.5 * mhsa.median_ms {AT}", measured(tmp_path, drift)).worst.ratio
    assert [float(bound) for bound in paired or ()] == pytest.approx([2 * 0.8193459, 2 * 0.8391750, 2 * 0.8594839])
    assert outcome(claim.format(""), measured(tmp_path, drift)) == "holds"
    assert outcome(claim.format("0 + "), measured(tmp_path, drift)) == "inconclusive"


def test_the_control_of_the_run_widens_the_ratio(tmp_path: Any) -> None:
    claim = f"ska.median_ms < 0.88 * mhsa.median_ms {AT}"
    assert outcome(claim, measured(tmp_path, lambda row: row.update(aa_low=1.0, aa_high=1.0))) == "holds"
    assert outcome(claim, measured(tmp_path, lambda row: row.update(aa_low=0.9, aa_high=1.1))) == "inconclusive"


def test_an_unsound_run_decides_nothing(tmp_path: Any) -> None:
    claim = f"ska.median_ms < mhsa.median_ms {AT}"
    for change, words in (({"flags": ["throttled"]}, "flagged throttled"), ({"rounds": 3}, "with 3 rounds where")):
        found = verdict(claim, measured(tmp_path, lambda row, change=change: row.update(change)))
        assert found.outcome == "inconclusive"
        assert words in str(found.worst.reason)


def test_times_by_different_clocks_tell_no_ratio_but_of_the_same_rounds(tmp_path: Any) -> None:
    sources = measured(tmp_path, lambda row: row.update(clock="wall" if row["mixer"] == "ska" else "cpu"))
    found = verdict(f"ska.median_ms < 2 * cska.median_ms {AT}", sources)
    assert found.outcome == "inconclusive"
    assert "were timed with clock wall and clock cpu" in str(found.worst.reason)
    assert outcome(f"ska.median_ms < mhsa.median_ms {AT}", sources) == "holds"


def test_what_could_not_run_is_not_testable_and_says_why(tmp_path: Any) -> None:
    sources = measured(tmp_path, lambda row: row.update(median_ms=None, error="out of memory"))
    found = verdict(f"ska.median_ms < mhsa.median_ms {AT}", sources)
    assert (found.outcome, found.worst.reason) == ("not testable here", "out of memory")
