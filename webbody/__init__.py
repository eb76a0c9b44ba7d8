"""What every part shares: data formats, the skeleton, the command line, the synthetic web."""

__version__ = "0.1.0"
