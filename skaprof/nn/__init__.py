"""The token mixers as PyTorch modules (importing this loads torch)."""

from skaprof.nn.attention import ConvStaticKeyAttention, MultiHeadSelfAttention, StaticKeyAttention
from skaprof.nn.backbones import BackboneNetwork, build_network
from skaprof.nn.build import build_mixer
from skaprof.nn.drop_path import add_drop_paths
from skaprof.nn.initial import draw_weights
from skaprof.nn.mixers import Identity, LinearAttention, Pooling, SeparableConvolution, TokenMixer
from skaprof.nn.swap import swap_mixers

__all__ = [
    "BackboneNetwork",
    "ConvStaticKeyAttention",
    "Identity",
    "LinearAttention",
    "MultiHeadSelfAttention",
    "Pooling",
    "SeparableConvolution",
    "StaticKeyAttention",
    "TokenMixer",
    "add_drop_paths",
    "build_mixer",
    "build_network",
    "draw_weights",
    "swap_mixers",
]
