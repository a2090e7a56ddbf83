"""`patch_linear`: one linear layer over the tokens (the cross-patch sublayer of ResMLP, arXiv 2105.03404)."""

from skaprof.model.mixers import Mixer, tokens_in
from skaprof.model.ops import Op, linear
from skaprof.workload import Workload


def patch_linear(w: Workload, *, bias: bool = False) -> list[Op]:
    """y = W x over the tokens: x (batch, tokens, dim) seen as (batch, dim, tokens), W (tokens, tokens)."""
    by_channel = tokens_in(w).view(w.batch, w.dim, w.tokens)
    mix = linear("mix", by_channel, w.tokens, bias=bias)
    return [mix._replace(output=mix.output.view(w.batch, w.tokens, w.dim))]


PATCH_LINEAR = Mixer(
    "patch_linear",
    "one linear layer over the tokens",
    {"eager": patch_linear},
    {"bias": False},
    has_heads=False,
    class_token_forms=("eager",),
)
