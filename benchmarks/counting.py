"""ViT-B/16 on meta tensors, in CPU time: skaprof's exact count (two calls), and the whole of `skaprof model` with the
memory of each part, each beside FlopCounterMode alone (one call).
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

ROUNDS = 15
GOAL = 1.5


def counting() -> None:
    """Side by side, in turn; the first two rounds warm both."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from user_models import VisionTransformer

    from skaprof.count.exact import count_exact
    from skaprof.count.model_parts import count_model
    from skaprof.foreign_model import UserModel

    with torch.device("meta"):
        vit, x = VisionTransformer(768, 12, 12, tokens=196).eval(), torch.empty(1, 3, 224, 224)

    def theirs() -> None:
        with torch.no_grad(), FlopCounterMode(display=False):
            vit(x)

    named = UserModel(
        "user_models:VisionTransformer", (("dim", "768"), ("depth", "12"), ("num_heads", "12"), ("tokens", "196"))
    )
    _compared("exact count", lambda: count_exact(vit, lambda: vit(x)), theirs)
    _compared("skaprof model, built, counted and its memory followed,", lambda: count_model(named).rows(2), theirs)


def _compared(what: str, run: Callable[[], object], theirs: Callable[[], object]) -> None:
    rounds = [(_took(run), _took(theirs)) for _ in range(ROUNDS + 2)][2:]
    ours, yardstick = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = sorted(a / b for a, b in rounds)
    print(
        f"{what} of ViT-B/16 on meta / FlopCounterMode, CPU time: {1e3 * ours:.0f} ms against "
        f"{1e3 * yardstick:.0f} ms, ratio {statistics.median(ratios):.2f} (quartiles {ratios[ROUNDS // 4]:.2f} to "
        f"{ratios[3 * ROUNDS // 4]:.2f}, {ROUNDS} rounds, goal at most {GOAL})"
    )


def _took(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start
