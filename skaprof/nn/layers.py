"""The primitive ops of `skaprof.model.ops` as modules, so that a counter can tell one op of a mixer from another."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def as_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Tokens (B, H * W, C) seen as a map (B, C, H, W), channels last: no data moves.

    The other way round, `transpose` and then `unflatten`, leaves a batch of one the strides of neither layout: PyTorch
    calls it channels-last, and copies it before each convolution all the same.
    """
    return tokens.unflatten(1, grid).permute(0, 3, 1, 2)


def copied(x: Tensor) -> Tensor:
    """A copy of x that lies as its shape says, even if x does: what a call holds is then the same at any size."""
    return x.clone(memory_format=torch.contiguous_format)


class MatMul(nn.Module):
    """a @ b: (..., i, j) @ (..., j, k) -> (..., i, k)."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b


class Scale(nn.Module):
    """x times a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class EluPlusOne(nn.Module):
    """elu(x) + 1, positive everywhere."""

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(x) + 1


class TokenSum(nn.Module):
    """The sum over tokens: (..., tokens, head_dim) -> (..., head_dim, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(dim=-2).unsqueeze(-1)


class Divide(nn.Module):
    """x / y, y broadcasting."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x / y


class Subtract(nn.Module):
    """x - y."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x - y


class StarReLU(nn.Module):
    """s * relu(x)^2 + b with learned scalars (MetaFormer baselines, arXiv 2210.13452).

    They start where a standard normal input gives an output of mean 0 and variance 1: s = 1 / sqrt(5 / 4), b = -s / 2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([0.8944]))
        self.bias = nn.Parameter(torch.tensor([-0.4472]))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * F.relu(x).square() + self.bias


class SquaredReLU(nn.Module):
    """relu(x)^2."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


class LearnedScale(nn.Module):
    """x (..., dim) times a learned value a channel, or all of it times one; which starts at `start`."""

    def __init__(self, dim: int, start: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((dim,), start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class DiagonalMask(nn.Module):
    """Scores (..., n, n) with the least number of their dtype on the diagonal: no token attends to itself.

    As in "Vision Transformer for Small-Size Datasets" (Lee, Lee, Song, arXiv 2112.13492).
    """

    def forward(self, scores: Tensor) -> Tensor:
        least = scores.new_full((), torch.finfo(scores.dtype).min)
        if torch.compiler.is_exporting():  # ONNX has no op for a diagonal alone
            return torch.where(torch.eye(scores.shape[-1], dtype=torch.bool), least, scores)
        return torch.diagonal_scatter(scores, least.expand(scores.shape[:-1]), dim1=-2, dim2=-1)


class Add(nn.Module):
    """x + y."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class ImageNorm(nn.Module):
    """x (B, ..., C) brought to one mean and variance an image, then scaled (and shifted) a channel."""

    def __init__(self, dim: int, *, eps: float = 1e-6, bias: bool = True) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        channels_first = x.flatten(1, -2).transpose(1, 2)
        normed = F.group_norm(channels_first, 1, self.weight, self.bias, self.eps)
        return normed.transpose(1, 2).reshape(x.shape)


class TokenMean(nn.Module):
    """The mean over all tokens: (B, ..., C) -> (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=tuple(range(1, x.dim() - 1)))


class ClassToken(nn.Module):
    """A learned token before the others: (B, N, C) -> (B, 1 + N, C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, 1, dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.weight.expand(x.shape[0], -1, -1), x), dim=1)


class Position(nn.Module):
    """x (B, N, C) plus a learned position, drawn from N(0, std^2)."""

    def __init__(self, tokens: int, dim: int, std: float = 0.02) -> None:
        super().__init__()
        self.std = std
        self.weight = nn.Parameter(torch.empty(1, tokens, dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        nn.init.normal_(self.weight, std=self.std)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight


class Concat(nn.Module):
    """x and y behind each other along the last dimension but one."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat((x, y), dim=-2)


class Shift(nn.Module):
    """An image (B, C, H, W) and its copies shifted right, left, down and up by a pixel: (B, 5 C, H, W)."""

    def forward(self, image: Tensor) -> Tensor:
        moves = ((1, -1, 0, 0), (-1, 1, 0, 0), (0, 0, 1, -1), (0, 0, -1, 1))
        return torch.cat((image, *(F.pad(image, move) for move in moves)), dim=1)


class StaticKeyScores(nn.Module):
    """Scores against a learned key (h, n, e), the same for the whole batch: (h, B, n, e) -> (h, B, n, n).

    Heads lead, so that the whole batch meets each head's key in one matrix product and the key is never copied.
    """

    def __init__(self, heads: int, tokens: int, head_dim: int) -> None:
        super().__init__()
        self.key = nn.Parameter(torch.empty(heads, tokens, head_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        nn.init.trunc_normal_(self.key, std=1.0)

    def forward(self, queries: Tensor) -> Tensor:
        batch, tokens = queries.shape[1:3]
        scores = queries.flatten(1, 2) @ self.key.transpose(-2, -1)
        return scores.unflatten(1, (batch, tokens))


class KeyConvolution(nn.Conv2d):
    """A convolution whose bias is given at each call, as its own may be scaled, where it has one."""

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        return F.conv2d(x, self.weight, bias, padding=self.padding, groups=self.groups)


class UnfoldedQueries(nn.Module):
    """k x k patches of each head's query map, with constant ones appended: (B, h * e, H, W) -> (B, h, H * W, width).

    The width is k * k * e + ones. One column of ones meets the bias in the key, any others meet zeros there.
    """

    def __init__(self, heads: int, kernel_size: int, ones: int) -> None:
        super().__init__()
        self.heads = heads
        self.kernel_size = kernel_size
        self.ones = ones

    def forward(self, query_map: Tensor) -> Tensor:
        queries = self._windows(query_map) if query_map.is_cuda else self._columns(query_map)
        return F.pad(queries, (0, self.ones), value=1.0) if self.ones else queries

    def _columns(self, query_map: Tensor) -> Tensor:
        patches = F.unfold(query_map, self.kernel_size, padding=self.kernel_size // 2)
        return patches.unflatten(1, (self.heads, -1)).transpose(-2, -1)

    def _windows(self, query_map: Tensor) -> Tensor:
        """The same patches as one strided copy: on CUDA, `unfold` launches a kernel for each batch item."""
        size, margin = self.kernel_size, self.kernel_size // 2
        windows = F.pad(query_map, (margin,) * 4).unfold(2, size, 1).unfold(3, size, 1)
        by_token = windows.unflatten(1, (self.heads, -1)).permute(0, 1, 3, 4, 2, 5, 6)
        return by_token.flatten(4).flatten(2, 3)


class FusedAttention(nn.Module):
    """softmax(q k^T * scale) v through scaled_dot_product_attention: (B, h, n, e), (B, h, n, e), (B, h, n, f)."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, scale=self.scale)
