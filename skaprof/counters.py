"""The FLOP counters that `skaprof audit` puts to the test, and the spellings it tries (imports nothing heavy)."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from skaprof.distributions import Owner, owner_of
from skaprof.errors import EXIT_MISSING, SkaprofError, named
from skaprof.workload import check_choice

FRAMEWORKS = {
    "torch": "skaprof.count.spellings:build_case",
    "jax": "skaprof.count.jax_spellings:build_case",
    "flax": "skaprof.count.jax_spellings:build_case",
    "keras": "skaprof.count.keras_spellings:build_case",
}
"""What builds a mixer in a framework's own terms, as "module:function", and an input of its kind."""


class Counter(NamedTuple):
    """A counter of somebody else's.

    `package` is what pip installs, `module` what Python imports, `needs` what it imports without declaring it, `extra`
    the extra of skaprof that brings it, empty where it would write over another counter's files. `per_mac` says how
    many of its units one MAC is; `unit` is what it calls them. `loader` names, as "module:function", what makes its
    counting function, and `training` that of forward and backward: imported in a process of its own. `frameworks` are
    those whose spellings it counts. `memory` is the figure of a row that its bytes are held against. `also` are other
    names under which pip installs the same code.
    """

    name: str
    package: str
    module: str
    unit: str
    per_mac: int
    loader: str
    needs: tuple[str, ...] = ()
    extra: str = "audit"
    training: str = ""
    frameworks: tuple[str, ...] = ("torch",)
    memory: str = ""
    also: tuple[str, ...] = ()

    @property
    def owner(self) -> Owner | None:
        """The distribution that its module is of here; None where there is no such module."""
        return owner_of(self.module)

    @property
    def installed(self) -> bool:
        """Whether it, and not another of its module's name, can be found here; whether it works, only running tells."""
        owner = self.owner
        return owner is not None and (owner.version is None or any(map(owner.is_called, (self.package, *self.also))))

    @property
    def version(self) -> str | None:
        """The installed version, None where there is none."""
        return self.owner.version if self.owner is not None and self.installed else None

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install {' '.join((self.package, *self.needs))}"

    @property
    def why_absent(self) -> str:
        """What is missing, and the command that brings it."""
        taken = ""
        if self.owner is not None and not self.installed:
            taken = f" (the module {self.module} is that of {self.owner.distribution} {self.owner.version} here)"
        return f"not installed{taken}; run: {self.install}"


_HOOKED, _SUMMED = "skaprof.count.other_counters", "skaprof.count.summary_counters"
_TRAINED, _ONNX = "skaprof.count.training_counters", "skaprof.count.onnx_counters"
_JAX, _KERAS = "skaprof.count.jax_counters", "skaprof.count.keras_counters"

COUNTERS: dict[str, Counter] = {
    counter.name: counter
    for counter in (
        Counter("fvcore", "fvcore", "fvcore", "flops", 1, f"{_HOOKED}:load_fvcore"),
        Counter("torch", "torch", "torch", "FLOPs", 2, f"{_HOOKED}:load_torch", training=f"{_TRAINED}:load_torch"),
        Counter(
            "torch-profiler",
            "torch",
            "torch",
            "FLOPs",
            2,
            f"{_HOOKED}:load_profiler",
            training=f"{_TRAINED}:load_profiler",
        ),
        Counter("ptflops-pytorch", "ptflops", "ptflops", "MACs", 1, f"{_HOOKED}:load_ptflops_pytorch"),
        Counter("ptflops-aten", "ptflops", "ptflops", "MACs", 1, f"{_HOOKED}:load_ptflops_aten"),
        Counter("calflops", "calflops", "calflops", "MACs", 1, f"{_HOOKED}:load_calflops", ("transformers",)),
        Counter("calflops2", "calflops2", "calflops", "MACs", 1, f"{_HOOKED}:load_calflops", extra=""),
        Counter("thop", "thop", "thop", "MACs", 1, f"{_HOOKED}:load_thop"),
        Counter("ultralytics-thop", "ultralytics-thop", "thop", "MACs", 1, f"{_HOOKED}:load_thop", extra=""),
        Counter("torchprofile", "torchprofile", "torchprofile", "MACs", 1, f"{_HOOKED}:load_torchprofile"),
        Counter("deepspeed", "deepspeed", "deepspeed", "MACs", 1, f"{_HOOKED}:load_deepspeed"),
        Counter("mmengine", "mmengine", "mmengine", "flops", 1, f"{_HOOKED}:load_mmengine", also=("mmengine-lite",)),
        Counter("torch-flops", "torch-flops", "torch_flops", "FLOPs", 2, f"{_HOOKED}:load_torch_flops"),
        Counter("torchlens", "torchlens", "torchlens", "MACs", 1, f"{_HOOKED}:load_torchlens"),
        Counter(
            "torchinfo", "torchinfo", "torchinfo", "mult-adds", 1, f"{_SUMMED}:load_torchinfo", memory="saved_bytes"
        ),
        Counter(
            "torchsummary",
            "torchsummary",
            "torchsummary",
            "",
            1,
            f"{_SUMMED}:load_torchsummary",
            memory="saved_bytes",
        ),
        Counter(
            "torch-summary",
            "torch-summary",
            "torchsummary",
            "mult-adds",
            1,
            f"{_SUMMED}:load_torch_summary",
            extra="",
            memory="saved_bytes",
        ),
        Counter(
            "model-summary",
            "pytorch-model-summary",
            "pytorch_model_summary",
            "",
            1,
            f"{_SUMMED}:load_model_summary",
        ),
        Counter(
            "lightning",
            "lightning",
            "lightning",
            "FLOPs",
            2,
            f"{_SUMMED}:load_lightning",
            training=f"{_TRAINED}:load_lightning",
            memory="weight_bytes",
        ),
        Counter(
            "hf-trainer",
            "transformers",
            "transformers",
            "FLOPs",
            2,
            "",
            ("accelerate",),
            training=f"{_TRAINED}:load_hf_trainer",
        ),
        Counter(
            "onnx-tool",
            "onnx-tool",
            "onnx_tool",
            "MACs",
            1,
            f"{_ONNX}:load_onnx_tool",
            ("onnx", "onnxscript"),
            "audit-onnx",
            memory="traffic_bytes",
        ),
        Counter(
            "onnx-opcounter",
            "onnx-opcounter",
            "onnx_opcounter",
            "MACs",
            1,
            f"{_ONNX}:load_onnx_opcounter",
            ("onnx", "onnxscript", "onnxruntime"),
            "audit-onnx",
        ),
        Counter(
            "xla",
            "jax",
            "jax",
            "flops",
            2,
            f"{_JAX}:load_xla",
            ("flax",),
            "audit-jax",
            f"{_JAX}:load_xla_training",
            ("jax", "flax"),
            "traffic_bytes",
        ),
        Counter(
            "flax",
            "flax",
            "flax",
            "flops",
            2,
            f"{_JAX}:load_flax",
            extra="audit-jax",
            frameworks=("flax",),
        ),
        Counter(
            "tf-profiler",
            "tensorflow-cpu",
            "tensorflow",
            "float_ops",
            2,
            f"{_KERAS}:load_tf_profiler",
            extra="audit-tf",
            frameworks=("keras",),
            also=("tensorflow",),
        ),
    )
}
"""Every counter by the name users type.

Sources of `unit` and `per_mac`, each the counter's own documentation or the text that it prints: fvcore
docs/flop_count.md ("flop" is one multiply-add); torch/utils/flop_counter.py (2 FLOPs a multiply-add);
torch/csrc/autograd/profiler_kineto.h (with_flops, likewise); the READMEs of ptflops, calflops, torchinfo, thop,
torchprofile, torch-flops, torchlens and onnx-tool; DeepSpeed's flops profiler tutorial; XLA's HloCostAnalysis and the
TensorFlow profiler's float_operation (2 a multiply-add). Of those that give FLOPs beside MACs, the MACs are taken.
What a unit really is, the audit finds by measuring (`skaprof.analysis.conventions`).
"""


class Spelling(NamedTuple):
    """One way to write a mixer: its name, what it means, and which form's op list it runs.

    `framework` is what it is written in; `trains` whether its training is counted, too.
    """

    name: str
    words: str
    form: str = "eager"
    framework: str = "torch"
    trains: bool = False


SPELLINGS: dict[str, Spelling] = {
    spelling.name: spelling
    for spelling in (
        Spelling("@", "products as a @ b", trains=True),
        Spelling("matmul", "as torch.matmul(a, b)"),
        Spelling("einsum", "as torch.einsum"),
        Spelling("sdpa", "attention as F.scaled_dot_product_attention", "sdpa"),
        Spelling("mha", "nn.MultiheadAttention in eval, without the weights, its fast path off", "sdpa"),
        Spelling("mha-weights", "nn.MultiheadAttention in eval, with the weights, its fast path off"),
        Spelling("mha-train", "nn.MultiheadAttention in training mode, with the weights", trains=True),
        Spelling("mha-fast", "nn.MultiheadAttention in eval and no_grad, its fast path on", "sdpa"),
        Spelling("parent-key", "the static key held by the mixer, beside its layers"),
        Spelling("same", 'the convolution with padding="same"', trains=True),
        Spelling("channels-first", "the convolution's map and weight in channels-first memory"),
        Spelling("modules", "no product but in nn.Linear and nn.Conv2d", trains=True),
        Spelling("exported", "through torch.export"),
        Spelling("compiled", 'through torch.compile(backend="aot_eager"), at its first call'),
        Spelling("jax", "jax.numpy, the heads by vmap", framework="jax", trains=True),
        Spelling("jax-scan", "jax.numpy, the heads by lax.map", framework="jax"),
        Spelling("flax", "flax.linen's Dense and Conv", framework="flax"),
        Spelling("keras", "Keras' Dense and Conv2D, products as ops.matmul", framework="keras"),
        Spelling("keras-einsum", "products as ops.einsum", framework="keras"),
    )
}
"""Every spelling by the name that rows carry."""
WITH_BIASES = ("mha", "mha-weights", "mha-train", "mha-fast")
"""Spellings whose module has biases whatever the spec says: without them the fast path is never taken."""


def chosen_counters(
    names: Iterable[str] | None, elsewhere: Collection[str] = ()
) -> tuple[list[Counter], list[Counter]]:
    """The counters named, or all, but for those that ran `elsewhere`: those that are installed, and those that are not.

    Raises:
        SkaprofError: an unknown name, or one that is named and not installed (exit 3), or none is.
    """
    texts = None if names is None else list(dict.fromkeys(names))
    known = tuple(COUNTERS)
    named_ones = [check_choice(named("counter"), name, known) for name in texts or known]
    wanted = [COUNTERS[name] for name in named_ones if name not in elsewhere]
    present = [counter for counter in wanted if counter.installed]
    absent = [counter for counter in wanted if not counter.installed]
    if absent and (texts or not (present or elsewhere)):
        raise SkaprofError(f"{named('counter')}: {absent[0].name} is {absent[0].why_absent}", EXIT_MISSING)
    return present, absent
