"""The module of `patch_linear`, whose submodules have the names of its ops."""

from torch import Tensor, nn

from skaprof.workload import Workload


def build(workload: Workload, implementation: str, *, bias: bool) -> nn.Module:
    """The module at these sizes, on the default device."""
    return PatchLinear(workload.tokens, bias=bias)


class PatchLinear(nn.Module):
    """One linear layer over the tokens: (B, H, W, C) or (B, N, C) -> the same shape."""

    def __init__(self, tokens: int, *, bias: bool = False) -> None:
        super().__init__()
        self.mix = nn.Linear(tokens, tokens, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        by_token = x.flatten(1, -2).transpose(1, 2)  # (B, C, N)
        return self.mix(by_token).transpose(1, 2).reshape(x.shape)
