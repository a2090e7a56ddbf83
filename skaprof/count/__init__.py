"""Counters and the proof that the model agrees with them (PyTorch), and other people's counters put to the test."""
