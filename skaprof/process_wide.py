"""What belongs to the whole process, such as stdout and PyTorch's switches: changed for a time by one thread alone."""

from threading import RLock

PROCESS_WIDE = RLock()
"""Held by whoever sets something of the whole process and puts it back: else two threads put back each other's."""
