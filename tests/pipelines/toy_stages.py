"""Stages of a few lines, to see what the engine does with shards that fail or kill their worker."""

import os
import time

import pyarrow as pa

from pipelines.base.stage import Stage
from webbody.errors import WebbodyError


class Source(Stage):
    name = "source"
    needs = ()

    def process(self, inputs, outputs):
        outputs.table(pa.table({"shard": [inputs.shard]}))
        return {"in": 1, "out": 1}


class Fragile(Stage):
    """Does what the shard's name asks for."""

    name = "fragile"
    needs = ("source",)

    def process(self, inputs, outputs):
        if inputs.shard.startswith("die"):
            os._exit(1)  # what the kernel does to a worker that uses too much memory
        if inputs.shard.startswith("raise"):
            raise ValueError("broken shard")
        if inputs.shard.startswith("told"):
            raise WebbodyError("make room and try again.")
        outputs.table(inputs.table("source"))
        return {"in": 1, "out": 1}


class Surprised(Source):
    """Cannot be constructed."""

    name = "picky"

    def __init__(self, settings, resources):
        raise TypeError("what is this\nsecond line")


class Steady(Source):
    """Takes a while, so that something can happen meanwhile."""

    name = "steady"
    needs = ("source",)

    def process(self, inputs, outputs):
        time.sleep(0.5)
        return super().process(inputs, outputs)


class DiesOnce(Source):
    """Its worker dies at the last shard, the first time."""

    def process(self, inputs, outputs):
        if inputs.shard == "last" and not inputs.folder.names("died"):
            inputs.folder.write_bytes("died/once", b"")
            time.sleep(3)  # until the workers of the next stage are there, and idle
            os._exit(1)
        return super().process(inputs, outputs)


class Slow(Source):
    """A stage that looks at the whole build for a while, the first time; then at once."""

    name = "slow"

    def process(self, inputs, outputs):
        if not inputs.folder.names("begun"):
            inputs.folder.write_bytes("begun/once", b"")
            time.sleep(600)
        return super().process(inputs, outputs)
