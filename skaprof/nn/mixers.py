"""What every token mixer is, and those without attention, submodule by submodule the ops of `skaprof.model.mixers`.

Every mixer takes (B, H, W, C) or (B, N, C) and returns the same shape. Attention is in `skaprof.nn.attention`.
"""

from __future__ import annotations

from torch import Tensor, nn

from skaprof.errors import SkaprofError, bad_value
from skaprof.grids import parse_count
from skaprof.nn.layers import Divide, EluPlusOne, MatMul, StarReLU, Subtract, TokenSum, as_map, copied
from skaprof.workload import require_odd_kernel, resolve_heads


class TokenMixer(nn.Module):
    """A map over (B, H, W, C) or (B, N, C) that keeps the shape.

    Args:
        grid: (H, W) of the token grid. Needed to place (B, N, C) on a grid where the mixer has a kernel, and by
            static keys, which belong to H * W tokens.
        class_tokens: tokens before those of the grid; input is then (B, class_tokens + H * W, C).
    """

    needs_grid = False
    static_key = False

    def __init__(self, grid: tuple[int, int] | None = None, class_tokens: int = 0) -> None:
        super().__init__()
        self.class_tokens = class_tokens
        if grid is not None:
            if len(grid) != 2:
                raise bad_value("grid", grid, "a pair (H, W)")
            grid = parse_count("grid", grid[0]), parse_count("grid", grid[1])
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        """x (B, H, W, C) or (B, N, C) -> the same shape.

        Raises:
            SkaprofError: another number of dimensions, tokens that are not those of the static key, or (B, N, C)
                where the mixer needs a grid and was built without one.
        """
        if x.dim() not in (3, 4):
            raise SkaprofError(f"{type(self).__name__}: expected (B, H, W, C) or (B, N, C), got {x.dim()} dimensions")
        grid = self._grid_of(x)
        if x.dim() == 3:
            return self.mix_tokens(x, grid)
        return self.mix_tokens(x.flatten(1, 2), grid).unflatten(1, (x.shape[1], x.shape[2]))

    def _grid_of(self, x: Tensor) -> tuple[int, int] | None:
        name = type(self).__name__
        if x.dim() == 4 and self.class_tokens:
            raise SkaprofError(f"{name}: built with a class token: expected (B, N, C), got (B, H, W, C)")
        if x.dim() == 4:
            grid = int(x.shape[1]), int(x.shape[2])
            if self.static_key and grid != self.grid:
                raise SkaprofError(_wrong_grid(name, self.grid, f"a {grid[0]} x {grid[1]} grid", static_key=True))
            return grid
        if self.needs_grid and self.grid is None:
            raise SkaprofError(f"{name}: (B, N, C) has no grid: pass (B, H, W, C), or build with grid=(H, W)")
        tokens = int(x.shape[1])
        expected = None if self.grid is None else self.grid[0] * self.grid[1] + self.class_tokens
        if (self.needs_grid or self.static_key) and expected is not None and tokens != expected:
            raise SkaprofError(_wrong_grid(name, self.grid, f"{tokens} tokens", static_key=self.static_key))
        return self.grid

    def mix_tokens(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        """x (B, N, C) -> (B, N, C)."""
        raise NotImplementedError  # each mixer's own


def _wrong_grid(name: str, grid: tuple[int, int] | None, got: str, *, static_key: bool) -> str:
    assert grid is not None
    height, width = grid
    cure = (
        "a static key serves one resolution only: build another mixer for this size"
        if static_key
        else "pass (B, H, W, C), or build with that grid"
    )
    return f"{name}: built for {height * width} tokens ({height} x {width}), got {got}; {cure}"


class LinearAttention(TokenMixer):
    """Linear attention with elu + 1 features (arXiv 2006.16236): f(q) (f(k)^T v) / (f(q) sum f(k)).

    Args:
        dim: channels C of the input.
        heads, head_dim: as `skaprof.workload.resolve_heads` reads them.
        bias: whether the four linear layers have a bias.
    """

    def __init__(
        self,
        dim: int,
        heads: int | None = None,
        head_dim: int | None = None,
        *,
        bias: bool = False,
        grid: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(grid)
        self.heads, self.head_dim = resolve_heads(parse_count("dim", dim), heads, head_dim)
        attention_dim = self.heads * self.head_dim
        self.query = nn.Linear(dim, attention_dim, bias=bias)
        self.key = nn.Linear(dim, attention_dim, bias=bias)
        self.value = nn.Linear(dim, attention_dim, bias=bias)
        self.query_features = EluPlusOne()
        self.key_features = EluPlusOne()
        self.context = MatMul()
        self.key_sum = TokenSum()
        self.normalizer = MatMul()
        self.mix = MatMul()
        self.divide = Divide()
        self.output = nn.Linear(attention_dim, dim, bias=bias)

    def mix_tokens(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        q = copied(self.query_features(self._by_head(self.query(x))))
        k = copied(self.key_features(self._by_head(self.key(x))))
        context = self.context(k.transpose(-2, -1), copied(self._by_head(self.value(x))))
        key_sum = self.key_sum(k)
        del k  # only what a later step reads is held
        normalizer = self.normalizer(q, key_sum)
        del key_sum
        mixed = self.mix(q, context)
        del q, context
        mixed = self.divide(mixed, normalizer)
        del normalizer
        mixed = copied(mixed.transpose(1, 2))
        output: Tensor = self.output(mixed.flatten(2))
        return output

    def _by_head(self, x: Tensor) -> Tensor:
        """(B, N, h * e) -> (B, h, N, e). Copied, it is one tensor for all products: else each would make its own."""
        return x.unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)


class SeparableConvolution(TokenMixer):
    """MetaFormer's sepconv: pointwise to expansion * dim, StarReLU, depthwise k x k, pointwise back.

    Args:
        dim: channels C of the input.
        kernel_size: odd.
        expansion: hidden channels over dim.
        bias: whether the three convolutions have a bias.

    Raises:
        SkaprofError: an even kernel size.
    """

    needs_grid = True

    def __init__(
        self,
        dim: int,
        *,
        kernel_size: int = 7,
        expansion: int = 2,
        bias: bool = False,
        grid: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(grid)
        require_odd_kernel(parse_count("kernel_size", kernel_size))
        hidden = parse_count("expansion", expansion) * parse_count("dim", dim)
        self.expand = nn.Linear(dim, hidden, bias=bias)
        self.activation = StarReLU()
        self.depthwise = nn.Conv2d(hidden, hidden, kernel_size, padding=kernel_size // 2, groups=hidden, bias=bias)
        self.project = nn.Linear(hidden, dim, bias=bias)

    def mix_tokens(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        assert grid is not None
        hidden = as_map(self.activation(self.expand(x)), grid)
        hidden = self.depthwise(hidden).flatten(2).transpose(1, 2)
        output: Tensor = self.project(hidden)
        return output


class Pooling(TokenMixer):
    """PoolFormer's mixer: the k x k average, padding not counted, minus the input.

    Raises:
        SkaprofError: an even kernel size.
    """

    needs_grid = True

    def __init__(self, *, kernel_size: int = 3, grid: tuple[int, int] | None = None) -> None:
        super().__init__(grid)
        require_odd_kernel(parse_count("kernel_size", kernel_size))
        self.pool = nn.AvgPool2d(kernel_size, stride=1, padding=kernel_size // 2, count_include_pad=False)
        self.subtract = Subtract()

    def mix_tokens(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        assert grid is not None
        pooled = self.pool(as_map(x, grid)).flatten(2).transpose(1, 2)
        output: Tensor = self.subtract(pooled, x)
        return output


class Identity(TokenMixer):
    """No mixing: returns its input."""

    def mix_tokens(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        return x
