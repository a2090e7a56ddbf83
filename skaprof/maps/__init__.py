"""Attention maps of any model: seen while it runs, measured, and frozen (importing this loads torch)."""

from skaprof.maps.capture import AttentionMap, attention_maps
from skaprof.maps.measures import entropy, score_rank, variation

__all__ = ["AttentionMap", "attention_maps", "entropy", "score_rank", "variation"]
