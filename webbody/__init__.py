"""Shared code: data formats, the skeleton, the command line, the synthetic web."""

import logging

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())
