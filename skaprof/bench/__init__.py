"""The timing engine: how long a call takes, with an interval, a verdict and the evidence."""
