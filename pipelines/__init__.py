"""Building a data set, and what is done with one: the build, its stages, and their helpers."""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())
