"""What is known of an op: its formula, that it has no multiply-adds, or nothing, and then nobody may take it for 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skaprof.count.attention_formulas import ATTENTION, STATIC_KEY
from skaprof.count.convolution_formulas import CONVOLUTIONS
from skaprof.count.layer_formulas import LAYERS
from skaprof.count.product_formulas import PRODUCTS, Formula, NoFormulaError
from skaprof.count.without_macs import holds_no_macs

FORMULAS: dict[str, Formula] = {
    **{f"aten.{name}": formula for name, formula in (PRODUCTS | CONVOLUTIONS | ATTENTION).items()},
    **LAYERS,
    **STATIC_KEY,
}
"""The one table of multiply-adds: by namespace and name of the op."""
COMPLEX_PRODUCT = 4
"""Real multiply-adds in a complex one."""


class Rule(NamedTuple):
    """What is known of an op, and which of its arguments it writes."""

    name: str
    formula: Formula | None
    is_known: bool
    """Whether it has a formula, or is known to have no multiply-adds."""
    is_composite: bool
    """Whether PyTorch says which ops it is made of, where it is not known itself."""
    moves_data: bool
    """Whether it reads and writes memory, as a view does not."""
    makes_blank: bool
    """Whether it gives memory that nothing was written into."""
    ignores_values: bool
    """Whether it takes of its arguments shapes and dtypes alone."""
    is_pure: bool
    """Whether it gives new tensors, and writes into none."""
    written: tuple[int, ...]
    written_by_name: tuple[str, ...]

    def macs(self, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> int:
        """MACs of this call.

        Raises:
            NoFormulaError: they cannot be told, and why.
        """
        if self.formula is None:
            return 0
        try:
            macs = int(self.formula(args, kwargs, result))
        except NoFormulaError:
            raise
        except (RuntimeError, IndexError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
            raise NoFormulaError(f"its arguments are beyond its formula: {error}") from error
        first = result[0] if isinstance(result, list | tuple) and result else result
        return macs * COMPLEX_PRODUCT if isinstance(first, Tensor) and first.is_complex() else macs


@cache
def rule_of(op: Any) -> Rule:
    """What is known of an op as the dispatcher calls it."""
    name = str(op.overloadpacket)
    base = name.removesuffix("_")
    formula = FORMULAS.get(name) or FORMULAS.get(base)
    is_known = formula is not None or holds_no_macs(name)
    schema = op._schema
    writes = [argument.alias_info is not None and argument.alias_info.is_write for argument in schema.arguments]
    short = name.partition(".")[2]
    is_blank = short.startswith(("empty", "new_empty"))
    return Rule(
        name,
        formula,
        is_known,
        is_composite=not is_known and op.has_kernel_for_dispatch_key(torch.DispatchKey.CompositeImplicitAutograd),
        moves_data=not (is_blank or op.is_view or torch.Tag.inplace_view in op.tags or name in _MOVES_NOTHING),
        makes_blank=is_blank,
        ignores_values=op.is_view or short.endswith("_like") or short.startswith("new_") or name in _READS_NOTHING,
        is_pure=not any(each.alias_info for each in (*schema.arguments, *schema.returns)),
        written=tuple(place for place, is_written in enumerate(writes) if is_written),
        written_by_name=tuple(
            argument.name for argument, is_written in zip(schema.arguments, writes, strict=True) if is_written
        ),
    )


_MOVES_NOTHING = {
    *("aten.detach", "aten.alias", "aten._unsafe_view", "aten.lift_fresh", "aten.lift", "aten._reshape_alias"),
    *("aten.resize_", "aten.set_", "aten.is_same_size", "aten._local_scalar_dense", "aten._has_same_storage_numel"),
}
_READS_NOTHING = {*_MOVES_NOTHING, "aten._assert_tensor_metadata"} - {"aten._local_scalar_dense"}
