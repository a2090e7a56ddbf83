"""Mixer specs: `NAME[:OPTION=VALUE]...`, such as `mhsa`, `ska:query=false` or `cska:kernel_size=5:head_dim=16`."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from skaprof.errors import SkaprofError, bad_value, nearest, shown
from skaprof.grids import parse_count
from skaprof.model.mixers import MIXERS, Mixer, OptionValue
from skaprof.model.ops import Op
from skaprof.words import meant
from skaprof.workload import TRITON, TRITON_MOST_HEAD_DIM, Workload, require_odd_kernel, resolve_heads


class MixerSpec(NamedTuple):
    """A mixer with the options one spec gives it; `text` is the spec, each value as this program writes it."""

    text: str
    mixer: Mixer
    options: Mapping[str, OptionValue]
    heads: int | None = None
    head_dim: int | None = None
    kernel_size: int | None = None

    def forms(self) -> tuple[str, ...]:
        """The implementations that the mixer has with these options."""
        is_eager = any(self.options[name] for name in self.mixer.eager_options)
        return ("eager",) if is_eager else tuple(self.mixer.op_lists)

    def require_implementation(self, implementation: str) -> None:
        """Raise unless the mixer has this implementation.

        Raises:
            SkaprofError: it has not.
        """
        forms = self.forms()
        if implementation not in forms:
            known = " or ".join(forms)
            raise SkaprofError(f"implementation: {self.text} has no {implementation!r} form: expected {known}")

    def why_not(self, workload: Workload, implementation: str) -> str | None:
        """Why the mixer's implementation, which it has, does not take these sizes; None where it does."""
        if workload.class_tokens and implementation not in self.mixer.class_token_forms:
            return "no place for a class token in this form"
        width = workload.head_dim
        if implementation == TRITON and width is not None and not hasattr(width, "free_symbols"):
            widest = int(width.max()) if hasattr(width, "max") else width
            if widest > TRITON_MOST_HEAD_DIM:
                return f"Triton's kernels take heads of at most {TRITON_MOST_HEAD_DIM}, and these are {widest} wide"
        return None

    def ops(self, workload: Workload, implementation: str = "eager") -> list[Op]:
        """The op list at these sizes, in the order the ops run.

        Raises:
            SkaprofError: the mixer has no such implementation, or none that takes these sizes.
        """
        self.require_implementation(implementation)
        reason = self.why_not(workload, implementation)
        if reason is not None:
            raise SkaprofError(f"{self.text} in its {implementation!r} form: {reason}")
        return self.op_list(workload, implementation)

    def op_list(self, workload: Workload, implementation: str) -> list[Op]:
        """The op list of a form that these options have, whether or not it takes these sizes."""
        options = dict(self.options)
        if implementation != "eager":  # which has none of these, and none of them is on
            options = {name: value for name, value in options.items() if name not in self.mixer.eager_options}
        return self.mixer.op_lists[implementation](workload, **options)

    def resolve_channels(
        self, dim: int, heads: int | None = None, head_dim: int | None = None
    ) -> tuple[int, int | None, int | None]:
        """(dim, heads, head_dim) of this mixer; the spec's own choices go before the arguments.

        Raises:
            SkaprofError: heads or head_dim does not fit dim, naming this spec.
        """
        if not self.mixer.has_heads:
            return dim, None, None
        heads = heads if self.heads is None else self.heads
        head_dim = head_dim if self.head_dim is None else self.head_dim
        try:
            heads, head_dim = resolve_heads(dim, heads, head_dim)
        except SkaprofError as error:
            raise SkaprofError(f"{self.text}: {error.marked}") from None
        if self.options.get("query") is False and heads * head_dim != dim:
            raise SkaprofError(
                f"{self.text}: without a query projection the heads split x itself: "
                f"expected heads * head_dim = dim, got {heads} * {head_dim} at dim {dim}"
            )
        return dim, heads, head_dim

    def resolve_kernel_size(self, kernel_size: int | None = None) -> int | None:
        """The kernel size of this mixer, None for one without a kernel; the spec's own choice goes before the argument.

        Raises:
            SkaprofError: the kernel size is even.
        """
        if self.mixer.kernel_size is None:
            return None
        return require_odd_kernel(self.kernel_size or kernel_size or self.mixer.kernel_size)


class StageMixers(NamedTuple):
    """The mixer of each block of a stage, first to last; `text` is `ska`, or `mhsa*5+ska*4`."""

    text: str
    blocks: tuple[MixerSpec, ...]

    @property
    def kinds(self) -> tuple[MixerSpec, ...]:
        """The mixers in it, each once."""
        return tuple({spec.text: spec for spec in self.blocks}.values())


def parse_stage_mixers(text: object, depth: int, option: str = "mixer") -> StageMixers:
    """The mixers that `text` names for a stage of `depth` blocks: one for all, or runs of blocks, `mhsa*5+ska*4`.

    Raises:
        SkaprofError: an unknown mixer, with the nearest name; or another number of blocks.
    """
    if not isinstance(text, str) or not ("+" in text or "*" in text):
        spec = parse_mixer(text, option)
        return StageMixers(spec.text, (spec,) * depth)
    blocks: list[MixerSpec] = []
    runs = []
    for run in text.split("+"):
        name, star, count = run.partition("*")
        spec = parse_mixer(name, option)
        blocks += [spec] * (parse_count(f"{option} {name}, blocks", count) if star else 1)
        runs.append(f"{spec.text}{star}{count}")
    if len(blocks) != depth:
        expected = f"mixers for {depth} {'block' if depth == 1 else 'blocks'} in this stage, and it names {len(blocks)}"
        raise bad_value(option, text, expected)
    return StageMixers("+".join(runs), tuple(blocks))


def stage_mixers(counted: Iterable[tuple[MixerSpec, int]]) -> StageMixers:
    """A stage of these mixers, each in so many blocks one after another."""
    runs = [(spec, count) for spec, count in counted if count]
    blocks = tuple(spec for spec, count in runs for _ in range(count))
    if len(runs) == 1:
        return StageMixers(blocks[0].text, blocks)
    return StageMixers("+".join(spec.text if count == 1 else f"{spec.text}*{count}" for spec, count in runs), blocks)


_SIZE_OPTIONS = ("heads", "head_dim", "kernel_size")


def parse_mixer(text: object, option: str = "mixer") -> MixerSpec:
    """The spec that `text` names.

    Raises:
        SkaprofError: an unknown mixer or option, or a value that is not valid for it, with the nearest name.
    """
    if not isinstance(text, str) or not text.isprintable() or " " in text:
        raise bad_value(option, text, "a mixer such as mhsa or cska:kernel_size=5, with no blanks in it")
    name, *settings = text.split(":")
    mixer = MIXERS.get(meant(name, MIXERS)) or _installed(option, name)
    sizes: dict[str, int] = {}
    options = dict(mixer.options)
    given: dict[str, None] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        known = _known_options(mixer)
        if not equals or key not in known:
            listed = ", ".join(f"{known_key}=..." for known_key in known) or "no options at all"
            near = [text.replace(f":{key}=", f":{close}=", 1) for close in nearest(key, known) if equals]
            raise bad_value(option, text, f"for {name} {listed}, not {shown(setting)}", filter(_is_mixer, near))
        if key in given:
            raise bad_value(option, text, f"{key} only once")
        given[key] = None
        label = f"{option} {name}, {key}"  # so that the message names option, mixer and setting
        if key in _SIZE_OPTIONS:
            sizes[key] = parse_count(label, value)
            if key == "kernel_size":
                require_odd_kernel(sizes[key], label)
        else:
            options[key] = _parse_value(label, value, mixer.options[key])
    values = (f":{key}={str((sizes | options)[key]).lower()}" for key in given)
    return MixerSpec("".join((mixer.name, *values)), mixer, options, **sizes)


def _is_mixer(text: str) -> bool:
    """Whether the text names a mixer."""
    try:
        parse_mixer(text)
    except SkaprofError:
        return False
    return True


def _installed(option: str, name: str) -> Mixer:
    """The mixer of that name which another package brings.

    Raises:
        SkaprofError: there is none, with the nearest name; or it cannot be loaded.
    """
    from skaprof.model.installed import installed_mixer, installed_names  # not for the mixers that are built in

    mixer = installed_mixer(meant(name, installed_names()))
    if mixer is None:
        known = [*MIXERS, *installed_names()]
        raise bad_value(option, name, f"one of {', '.join(known)}", known)
    return mixer


def _known_options(mixer: Mixer) -> list[str]:
    sizes = ["heads", "head_dim"] if mixer.has_heads else []
    sizes += ["kernel_size"] if mixer.kernel_size is not None else []
    return [*mixer.options, *sizes]


def _parse_value(label: str, value: str, default: OptionValue) -> OptionValue:
    if isinstance(default, bool):
        words = {"true": True, "false": False}
        if value.lower() not in words:
            raise bad_value(label, value, "true or false", words)
        return words[value.lower()]
    return parse_count(label, value)
