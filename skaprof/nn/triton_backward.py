"""The backward pass of `skaprof.nn.triton_forward`, in the same layouts, some tokens at a time.

Three kernels: the gradients of a tile of scores, made anew, with those of the values; then what they mean for the keys,
and for the queries. Each product of the backward pass is made once, and once more that of the scores.
"""

import triton
import triton.language as tl

from skaprof.nn.triton_forward import tile_of_scores


@triton.jit
def score_gradient_kernel(
    query,
    key,
    bias,
    value,
    output,
    gradient,
    statistics,
    score_gradient,
    value_gradient,
    tokens,
    begin,
    heads,
    height,
    width,
    keys,
    first,
    count,
    factor,
    scale,
    kernel_size: tl.constexpr,
    head_dim: tl.constexpr,
    block_e: tl.constexpr,
    has_bias: tl.constexpr,
    precision: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
):
    """For one block of keys of a head and image, and `count` queries from `first` on: the gradient of what the scale
    multiplies, (images, heads, count, keys), and that of the values, in float32, added to what is there.
    """
    blocks = tl.cdiv(keys, block_n)
    item = (tl.program_id(0) // blocks).to(tl.int64)
    image, head = item // heads, item % heads
    numbers = (tl.program_id(0) % blocks) * block_n + tl.arange(0, block_n)
    is_key = numbers < keys
    channels = tl.arange(0, block_e)
    is_channel = channels < head_dim
    here = ((image * tokens + begin) * heads + head) * head_dim
    values_here = (image * keys * heads + head) * head_dim
    values = tl.load(
        value + values_here + numbers[None, :] * heads * head_dim + channels[:, None],
        mask=is_key[None, :] & is_channel[:, None],
        other=0.0,
    )
    of_values = tl.zeros((block_n, block_e), tl.float32)
    for start in range(0, count, block_m):
        steps = start + tl.arange(0, block_m)
        is_place = steps < count
        places = first + steps
        scores = tile_of_scores(
            query + here, key + head * keys * kernel_size * kernel_size * head_dim, bias + head * keys, places, numbers,
            heads, height, width, keys, factor,
            kernel_size, head_dim, block_e, has_bias, precision, block_m, block_n,
        )  # fmt: skip
        logarithms = tl.load(statistics + item * tokens + begin + places, mask=is_place, other=float("inf"))
        weights = tl.exp2(scores - logarithms[:, None])  # 0 beyond the queries: their logarithm is infinite
        where = here + places[:, None] * heads * head_dim + channels[None, :]
        is_there = is_place[:, None] & is_channel[None, :]
        of_output = tl.load(gradient + where, mask=is_there, other=0.0)
        outputs = tl.load(output + where, mask=is_there, other=0.0)
        of_values = tl.dot(tl.trans(weights.to(of_output.dtype)), of_output, of_values, input_precision=precision)
        of_weights = tl.dot(of_output, values, input_precision=precision)
        mean = tl.sum(of_output.to(tl.float32) * outputs.to(tl.float32), 1)
        tl.store(
            score_gradient + item * count * keys + steps[:, None] * keys + numbers[None, :],
            (weights * (of_weights - mean[:, None]) * scale).to(score_gradient.dtype.element_ty),
            mask=is_place[:, None] & is_key[None, :],
        )
    target = value_gradient + values_here + numbers[:, None] * heads * head_dim + channels[None, :]
    is_there = is_key[:, None] & is_channel[None, :]
    tl.store(target, tl.load(target, mask=is_there, other=0.0) + of_values, mask=is_there)


@triton.jit
def key_gradient_kernel(
    query,
    score_gradient,
    key_gradient,
    bias_gradient,
    images,
    tokens,
    begin,
    heads,
    height,
    width,
    keys,
    first,
    count,
    kernel_size: tl.constexpr,
    head_dim: tl.constexpr,
    block_e: tl.constexpr,
    has_bias: tl.constexpr,
    precision: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
):
    """For one block of keys of a head at one tap: what these queries of all images add to the gradients of key and
    bias, in float32, from `score_gradient` as `score_gradient_kernel` wrote it.
    """
    tap = tl.program_id(0) % (kernel_size * kernel_size)
    block = tl.program_id(0) // (kernel_size * kernel_size)
    blocks = tl.cdiv(keys, block_n)
    head = (block // blocks).to(tl.int64)
    numbers = (block % blocks) * block_n + tl.arange(0, block_n)
    is_key = numbers < keys
    channels = tl.arange(0, block_e)
    is_channel = (channels < head_dim)[None, :]
    of_key = tl.zeros((block_n, block_e), tl.float32)
    of_bias = tl.zeros((block_n,), tl.float32)
    steps_an_image = tl.cdiv(count, block_m)
    for step in range(images * steps_an_image):
        image = (step // steps_an_image).to(tl.int64)
        steps = (step % steps_an_image) * block_m + tl.arange(0, block_m)
        is_place = steps < count
        of_scores = tl.load(
            score_gradient + (image * heads + head) * count * keys + steps[None, :] * keys + numbers[:, None],
            mask=is_place[None, :] & is_key[:, None],
            other=0.0,
        )
        rows = (first + steps) // width + tap // kernel_size - kernel_size // 2
        columns = (first + steps) % width + tap % kernel_size - kernel_size // 2
        inside = is_place & (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        here = query + ((image * tokens + begin) * heads + head) * head_dim
        patch = tl.load(
            here + (rows * width + columns)[:, None] * heads * head_dim + channels[None, :],
            mask=inside[:, None] & is_channel,
            other=0.0,
        )
        of_key = tl.dot(of_scores, patch, of_key, input_precision=precision)
        if has_bias:
            of_bias += tl.sum(of_scores.to(tl.float32), 1)
    targets = (head * keys + numbers) * kernel_size * kernel_size + tap
    target = key_gradient + targets[:, None] * head_dim + channels[None, :]
    is_there = is_key[:, None] & is_channel
    tl.store(target, tl.load(target, mask=is_there, other=0.0) + of_key, mask=is_there)
    if has_bias:
        sums = bias_gradient + head * keys + numbers
        if tap == 0:
            tl.store(sums, tl.load(sums, mask=is_key, other=0.0) + of_bias, mask=is_key)


@triton.jit
def query_gradient_kernel(
    key,
    score_gradient,
    query_gradient,
    tokens,
    begin,
    heads,
    width,
    keys,
    first,
    count,
    low,
    reach,
    kernel_size: tl.constexpr,
    head_dim: tl.constexpr,
    block_e: tl.constexpr,
    precision: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
):
    """What the scores of `count` queries from `first` on add, in float32, to the gradient of one block of the map: of
    the `reach` places from `low` on, which hold all that the windows of those queries touch.
    """
    blocks = tl.cdiv(reach, block_m)
    item = (tl.program_id(0) // blocks).to(tl.int64)
    image, head = item // heads, item % heads
    offsets = (tl.program_id(0) % blocks) * block_m + tl.arange(0, block_m)
    places = low + offsets
    channels = tl.arange(0, block_e)
    is_channel = (channels < head_dim)[None, :]
    of_query = tl.zeros((block_m, block_e), tl.float32)
    key_blocks = tl.cdiv(keys, block_n)
    keys_here = key + head * keys * kernel_size * kernel_size * head_dim
    for step in range(kernel_size * kernel_size * key_blocks):
        tap = step // key_blocks
        numbers = (step % key_blocks) * block_n + tl.arange(0, block_n)
        is_key = numbers < keys
        rows = places // width - tap // kernel_size + kernel_size // 2
        columns = places % width - tap % kernel_size + kernel_size // 2
        steps = rows * width + columns - first
        meets = (offsets < reach) & (columns >= 0) & (columns < width) & (steps >= 0) & (steps < count)
        of_scores = tl.load(
            score_gradient + item * count * keys + steps[:, None] * keys + numbers[None, :],
            mask=meets[:, None] & is_key[None, :],
            other=0.0,
        )
        part = tl.load(
            keys_here + (numbers * kernel_size * kernel_size + tap)[:, None] * head_dim + channels[None, :],
            mask=is_key[:, None] & is_channel,
            other=0.0,
        )
        of_query = tl.dot(of_scores, part, of_query, input_precision=precision)
    here = query_gradient + ((image * tokens + begin) * heads + head) * head_dim
    target = here + places[:, None] * heads * head_dim + channels[None, :]
    is_there = (offsets < reach)[:, None] & is_channel
    tl.store(target, tl.load(target, mask=is_there, other=0.0) + of_query, mask=is_there)
