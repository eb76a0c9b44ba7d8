"""What several test modules share: a Ray for the session, and a finished build of a small web."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:  # tests of `model` also run where what reads settings is not installed
    from webbody.config import BuildConfig

# A slow machine is no fault of the code: how long an example takes is nothing that a test checks.
settings.register_profile("webbody", deadline=None)
settings.load_profile("webbody")

#: Where the small web is served, or on the next free port: another run of the tests may be there.
PORT = 18799
#: Settings that give the small web several shards, and several shards of samples.
SEVERAL = ("plan.rows_per_shard=20", "split.samples_per_shard=10")

#: Of Ray's workers: they find the toy stages, and meet on loopback.
ENVIRONMENT = {
    "PYTHONPATH": str(Path(__file__).parent / "pipelines"),
    "GLOO_SOCKET_IFNAME": "lo",
}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In parallel runs one process has the session's Ray and build, another what is installed."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        # Two Rays that start at the same moment may want the same port.
        if fixtures & {"ray_session", "demo"} or "/engine/driver/" in item.nodeid:
            item.add_marker(pytest.mark.xdist_group("ray"))
        elif fixtures & {"built", "installed"}:
            item.add_marker(pytest.mark.xdist_group("distribution"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests for a GPU are skipped where there is none, whatever was selected."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("there is no CUDA device")


@pytest.fixture(scope="session")
def ray_session():
    """One local Ray for every test that builds; starting it takes seconds."""
    import ray

    ray.init(
        address="local",  # whatever cluster may run on this machine
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=128 << 20,
        logging_level="ERROR",
        log_to_driver=False,
        runtime_env={"env_vars": ENVIRONMENT},
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The wheel and the sdist of this checkout."""
    from tests.distributions import build

    return build(tmp_path_factory.mktemp("distribution"))


@pytest.fixture(scope="session")
def installed(built, tmp_path_factory):
    """Programs of an environment with the wheel installed, and the libraries of this one."""
    from tests.distributions import environment

    return environment(tmp_path_factory.mktemp("installed") / "venv", built.wheel)


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """The first port from PORT on that nobody has; other runs of the tests keep off it."""
    for port in range(PORT, PORT + 20):
        with socket.socket() as held:
            try:
                held.bind(("127.0.0.1", port))
            except OSError:
                continue
            # Now a server may bind it as well, which sets the same; another run, which does not
            # before it has bound, may not.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            yield port
            return
    raise OSError(f"ports {PORT} to {PORT + 19} are all in use")


@dataclass
class Demo:
    """A served synthetic web and a finished build of it."""

    web: Path
    out: Path
    config: BuildConfig
    result: object

    def settings(self, out: Path, *overrides: str) -> BuildConfig:
        """The demo's configuration for another folder."""
        from webbody.cli.demo import demo_config

        galleries = self.config.identities.galleries
        return demo_config(self.web, out, galleries, (*SEVERAL, *overrides))


@pytest.fixture(scope="session")
def demo(ray_session, tmp_path_factory):
    """A build of 8 names x 8 URLs with the real libraries and the demo's models."""
    from pipelines.build import build
    from webbody.cli.demo import demo_config, make_demo_gallery
    from webbody.demo.website.server import serve
    from webbody.demo.website.web import make_web

    root = tmp_path_factory.mktemp("demo")
    with free_port() as port:
        web = make_web(root / "web", names=8, images=8, seed=3, port=port, gallery=4)
        gallery = root / "gallery.parquet"
        config = demo_config(web.folder, root / "build", (str(gallery),), SEVERAL)
        make_demo_gallery(web.gallery, gallery, config)
        with serve(web.folder, port):
            result = build(config)
            yield Demo(web.folder, root / "build", config, result)
