"""What XLA says of a compiled program, and flax's table of a module, which asks XLA for each part."""

from __future__ import annotations

import re
from collections.abc import Callable

import jax
from jax import Array

from skaprof.count.asked import Said
from skaprof.count.jax_spellings import Program
from skaprof.count.other_counters import number

Count = Callable[[Program, Array], Said]


def _analysed(function: Callable[..., object], *given: object) -> Said:
    """XLA's cost analysis of the function, compiled for what it is given."""
    found = jax.jit(function).lower(*given).compile().cost_analysis()
    return Said(number(float(found.get("flops", 0.0))), memory=number(float(found["bytes accessed"])))


def load_xla() -> Count:
    """JAX' cost_analysis, forward."""
    return lambda program, x: _analysed(program.function, program.weights, x)


def load_xla_training() -> Count:
    """JAX' cost_analysis of a forward and backward, with respect to the weights and the input."""

    def count(program: Program, x: Array) -> Said:
        def step(weights: object, x: Array, ends: Array) -> object:
            output, backward = jax.vjp(program.function, weights, x)
            return output, backward(ends)

        ends = jax.numpy.ones(jax.eval_shape(program.function, program.weights, x).shape)
        return _analysed(step, program.weights, x, ends)

    return count


def load_flax() -> Count:
    """flax's tabulate, asked for FLOPs: those of its first row, the whole module."""

    def count(program: Program, x: Array) -> Said:
        if program.module is None:
            raise TypeError("no module of flax")
        wide = {"width": 1000, "no_color": True, "force_terminal": False}
        table = program.module.tabulate(jax.random.key(0), x, compute_flops=True, console_kwargs=wide)
        lines = [line.split("\u2502")[1:-1] for line in table.splitlines() if line.startswith("\u2502")]
        total = re.findall(r"Total Parameters: ([\d,]+)", table)
        return Said(float(lines[0][4].strip()), float(total[0].replace(",", "")) if total else None)

    return count
