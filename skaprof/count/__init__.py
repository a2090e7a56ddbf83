"""Counters and the proof that the model agrees with them (importing this loads torch and fvcore)."""

from skaprof.count.verify import Difference, Verification, verify

__all__ = ["Difference", "Verification", "verify"]
