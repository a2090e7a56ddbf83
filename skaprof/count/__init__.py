"""Counters and the proof that the model agrees with them (importing this loads torch and fvcore)."""

from skaprof.count.verification import Difference, Verification
from skaprof.count.verify import verify, verify_network

__all__ = ["Difference", "Verification", "verify", "verify_network"]
