"""Triton's kernels of static key attention, forward: k x k neighbourhoods of a query map against a static key.

A program holds a tile of scores: `block_m` queries against `block_n` keys. Each tap of the k x k window is one matrix
product, of the queries that it meets as they lie in the map and of the key's slice there; no patch is ever written. The
forward pass is the online softmax; the backward pass makes scores anew, from the logarithms of their sums.

All sums are in float32, and each number is summed by one program in one order: no atomics, so that two runs agree to
the bit. Contiguous are query, output and their gradients (images, tokens, heads, head_dim), of which a kernel works on
a map of height x width tokens from `begin` on; value (images, keys, heads, head_dim), key (heads, keys, kernel_size,
kernel_size, head_dim), bias (heads, keys), statistics (images, heads, tokens). Offsets of an image or head are 64-bit.
"""

import triton
import triton.language as tl


@triton.jit
def tile_of_scores(
    query,  # where the map of one image and head begins
    key,  # where the keys of the head begin
    bias,
    places,
    numbers,
    heads,
    height,
    width,
    keys,
    factor,
    kernel_size: tl.constexpr,
    head_dim: tl.constexpr,
    block_e: tl.constexpr,
    has_bias: tl.constexpr,
    precision: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
):
    """(convolution + bias) * factor of the queries at `places` of the map for keys `numbers`; -inf beyond the keys."""
    channels = tl.arange(0, block_e)
    is_key = numbers < keys
    scores = tl.zeros((block_m, block_n), tl.float32)
    for tap in range(kernel_size * kernel_size):
        rows = places // width + tap // kernel_size - kernel_size // 2
        columns = places % width + tap % kernel_size - kernel_size // 2
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        patch = tl.load(
            query + (rows * width + columns)[:, None] * heads * head_dim + channels[None, :],
            mask=inside[:, None] & (channels < head_dim)[None, :],
            other=0.0,
        )
        part = tl.load(
            key + (numbers * kernel_size * kernel_size + tap)[None, :] * head_dim + channels[:, None],
            mask=is_key[None, :] & (channels < head_dim)[:, None],
            other=0.0,
        )
        scores = tl.dot(patch, part, scores, input_precision=precision)
    if has_bias:
        scores += tl.load(bias + numbers, mask=is_key, other=0.0).to(tl.float32)[None, :]
    return tl.where(is_key[None, :], scores * factor, float("-inf"))


@triton.jit
def forward_kernel(
    query,
    key,
    bias,
    value,
    output,
    statistics,
    tokens,
    begin,
    heads,
    height,
    width,
    keys,
    factor,
    kernel_size: tl.constexpr,
    head_dim: tl.constexpr,
    block_e: tl.constexpr,
    has_bias: tl.constexpr,
    precision: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
):
    """The output of one block of queries of a head and image, and log2 of the sum of its scores' exponentials.

    `factor` is the scale times log2(e).
    """
    blocks = tl.cdiv(height * width, block_m)
    item = (tl.program_id(0) // blocks).to(tl.int64)
    image, head = item // heads, item % heads
    places = (tl.program_id(0) % blocks) * block_m + tl.arange(0, block_m)
    is_place = places < height * width
    channels = tl.arange(0, block_e)
    is_channel = (channels < head_dim)[None, :]
    here = ((image * tokens + begin) * heads + head) * head_dim
    values_here = value + (image * keys * heads + head) * head_dim
    highest = tl.full((block_m,), float("-inf"), tl.float32)
    total = tl.zeros((block_m,), tl.float32)
    mixed = tl.zeros((block_m, block_e), tl.float32)
    for start in range(0, keys, block_n):
        numbers = start + tl.arange(0, block_n)
        scores = tile_of_scores(
            query + here, key + head * keys * kernel_size * kernel_size * head_dim, bias + head * keys, places, numbers,
            heads, height, width, keys, factor,
            kernel_size, head_dim, block_e, has_bias, precision, block_m, block_n,
        )  # fmt: skip
        now_highest = tl.maximum(highest, tl.max(scores, 1))
        weights = tl.exp2(scores - now_highest[:, None])
        shrink = tl.exp2(highest - now_highest)
        total = total * shrink + tl.sum(weights, 1)
        values = tl.load(
            values_here + numbers[:, None] * heads * head_dim + channels[None, :],
            mask=(numbers < keys)[:, None] & is_channel,
            other=0.0,
        )
        mixed = tl.dot(weights.to(values.dtype), values, mixed * shrink[:, None], input_precision=precision)
        highest = now_highest
    tl.store(
        output + here + places[:, None] * heads * head_dim + channels[None, :],
        (mixed / total[:, None]).to(output.dtype.element_ty),
        mask=is_place[:, None] & is_channel,
    )
    tl.store(statistics + item * tokens + begin + places, highest + tl.log2(total), mask=is_place)
