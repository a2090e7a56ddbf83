"""The token mixers as PyTorch modules (importing this loads torch)."""

from skaprof.nn.attention import ConvStaticKeyAttention, MultiHeadSelfAttention, StaticKeyAttention
from skaprof.nn.backbones import BackboneNetwork, build_network
from skaprof.nn.build import build_mixer
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
    "build_mixer",
    "build_network",
    "swap_mixers",
]
