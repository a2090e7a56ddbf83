"""The Python API, a file a kind of question; `skaprof` itself has every public name, loaded on first use."""

from skaprof.api.loading import load_count_user, load_swapped_rows, load_verify, load_verify_network

__all__ = ["load_count_user", "load_swapped_rows", "load_verify", "load_verify_network"]
