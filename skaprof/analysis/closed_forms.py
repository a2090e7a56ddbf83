"""The closed forms of mixers as data that a page evaluates: every op, form, mode and dtype, from the op lists.

Formulas are texts such as `4*B*d*n^2`, each once in a `FormTable`; what names them names their place in it. n is the
number of positions on the grid, H * W.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from skaprof.analysis.branches import Branch, branches
from skaprof.analysis.roofline import launches
from skaprof.analysis.traced import Monomial, Node, Traced, as_traced
from skaprof.errors import SkaprofError
from skaprof.model.cost import OpCost, op_costs
from skaprof.model.mixers import Mixer, OptionValue
from skaprof.model.ops import Op
from skaprof.model.spec import MixerSpec
from skaprof.results import METRICS
from skaprof.workload import MODES, Size, Workload, is_fused

Json = Any

DERIVED = ("flops",)
"""What follows from another figure: 2 * macs."""
FORM_METRICS = tuple(metric for metric in METRICS if metric not in DERIVED)
"""The figures of an op that have a formula each, in this order."""

BATCH, HEIGHT, WIDTH, DIM, HEADS, HEAD_DIM, KERNEL, BYTES = map(Traced.size, ("B", "H", "W", "d", "h", "e", "k", "s"))


class FormTable:
    """Formulas by their place, each once. What is no polynomial names the places of its parts: `max(3,7)`."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, number: Size) -> int:
        """Where the formula of a number stands."""
        number = as_traced(number)
        if number.text not in self._places:
            written = "+".join(self._terms(number)) or "0"
            if number.text not in self._places:  # one node alone has got its place by now
                self._places[number.text] = len(self.texts)
                self.texts.append(written)
        return self._places[number.text]

    def tree(self, found: Any, leaf: Callable[[Any], Json]) -> Json:
        """What a traced function returned: each `Branch` as {"if": kind, "of": place, "yes": ..., "no": ...}."""
        if not isinstance(found, Branch):
            return leaf(found)
        kind, of = found.condition
        return {"if": kind, "of": self.place(of), "yes": self.tree(found.yes, leaf), "no": self.tree(found.no, leaf)}

    def _terms(self, number: Traced) -> Iterator[str]:
        for monomial, value in number.ordered:
            factors = [
                name if power == 1 else f"{name}^{power}" for name, power in self._factors(_with_positions(monomial))
            ]
            yield "*".join(factors if value == 1 and factors else [str(value), *factors])

    def _factors(self, monomial: Monomial) -> Iterator[tuple[str, int]]:
        for atom, power in monomial:
            yield self._node(atom) if isinstance(atom, Node) else atom, power

    def _node(self, node: Node) -> str:
        """A node stands at a place of its own, `$3` in a product."""
        if node.text not in self._places:
            parts = ",".join(str(self.place(part)) for part in node.parts)
            self._places[node.text] = len(self.texts)
            self.texts.append(f"{node.kind}({parts})")
        return f"${self._places[node.text]}"


def _with_positions(monomial: Monomial) -> Monomial:
    """The same with H * W as n, as far as both are there."""
    powers = dict(monomial)
    positions = min(powers.pop("H", 0), powers.pop("W", 0))
    sides = {name: power - positions for name, power in monomial if name in ("H", "W")}
    powers |= {name: power for name, power in {**sides, "n": positions}.items() if power}
    return tuple(sorted(powers.items(), key=lambda pair: str(pair[0])))


def workload_of(mixer: Mixer, class_tokens: int) -> Workload:
    """The mixer's sizes, traced."""
    heads, head_dim = (HEADS, HEAD_DIM) if mixer.has_heads else (None, None)
    kernel_size = KERNEL if mixer.kernel_size is not None else None
    return Workload(BATCH, HEIGHT, WIDTH, DIM, heads, head_dim, kernel_size, class_tokens)


def option_choices(mixer: Mixer) -> Iterator[dict[str, OptionValue | Traced]]:
    """Every choice of the options that are true or false, with each number as a size of the option's name."""
    switches = [name for name, default in mixer.options.items() if isinstance(default, bool)]
    numbers = {name: Traced.size(name) for name in mixer.options if name not in switches}
    for values in product((False, True), repeat=len(switches)):
        yield {**dict(zip(switches, values, strict=True)), **numbers}


def choice_text(choice: Mapping[str, object]) -> str:
    """What names a choice: `bias=false,query=true`, the options that are true or false by name."""
    switches = {name: value for name, value in choice.items() if isinstance(value, bool)}
    return ",".join(f"{name}={str(value).lower()}" for name, value in sorted(switches.items()))


def mixer_forms(mixer: Mixer, table: FormTable) -> dict[str, Json]:
    """What a page needs of a mixer: its options and sizes, and by options, form and class tokens its ops.

    Raises:
        SkaprofError: its op list computes with sizes in a way that no formula has.
    """
    return {
        "summary": mixer.summary,
        "options": dict(mixer.options),
        "has_heads": mixer.has_heads,
        "kernel_size": mixer.kernel_size,
        "class_token_forms": list(mixer.class_token_forms),
        "forms": by_form(mixer, lambda spec, form, class_tokens: traced_ops(spec, form, class_tokens, table)),
    }


def by_form(mixer: Mixer, made: Callable[[MixerSpec, str, int], Json]) -> dict[str, Json]:
    """What is made of each form that a mixer has, by its options, the form, and the class tokens that it takes."""
    found: dict[str, Json] = {}
    for choice in option_choices(mixer):
        spec = MixerSpec(mixer.name, mixer, choice)  # type: ignore[arg-type]  # numbers among the options are traced
        found[choice_text(choice)] = {
            form: {
                str(class_tokens): made(spec, form, class_tokens)
                for class_tokens in ((0, 1) if form in mixer.class_token_forms else (0,))
            }
            for form in spec.forms()
        }
    return found


def traced_ops(spec: MixerSpec, form: str, class_tokens: int, table: FormTable) -> Json:
    """The ops of a form: their names and kinds, the kernels that run them, and in each mode the places of figures."""

    def ops_as_data() -> Json:
        ops = spec.op_list(workload_of(spec.mixer, class_tokens), form)
        fused = is_fused(form)
        return {
            "ops": [[op.name, op.kind] for op in ops],
            "kernels": _kernels(ops, table, fused=fused),
            **{mode: figure_places(op_costs(ops, BYTES, mode, fused=fused), table) for mode in MODES},
        }

    try:
        return table.tree(branches(ops_as_data), lambda leaf: leaf)
    except (TypeError, AttributeError) as error:
        raise SkaprofError(
            f"mixer {spec.mixer.name!r}: its {form!r} form has no closed form ({error}): expected an op list that "
            "adds, multiplies, divides by // and compares sizes, and nothing else"
        ) from None


def _kernels(ops: Sequence[Op], table: FormTable, *, fused: bool) -> Json:
    """Each kernel's name, its kind, which may hang on sizes, and how many ops it runs."""
    found = branches(lambda: launches(ops, fused=fused))
    return table.tree(found, lambda leaf: [[launch.name, launch.kind, len(launch.ops)] for launch in leaf])


def figure_places(costs: Sequence[OpCost], table: FormTable) -> list[list[int | None]]:
    """For each op, where the formulas of `FORM_METRICS` stand; None of what it does not have in this mode."""
    return [
        [None if value is None else table.place(value) for value in (getattr(cost, key) for key in FORM_METRICS)]
        for cost in costs
    ]
