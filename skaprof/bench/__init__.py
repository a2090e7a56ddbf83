"""The timing engine: how long a call takes, with an interval, a verdict and the evidence."""

import os

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # PyTorch's profiler, which names kernels, would write to stderr
