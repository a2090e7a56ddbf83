"""The version, apart from the public names, so that nothing has to load them to know it."""

__version__ = "0.1.0"
