import pytest

from tests.conftest import ENVIRONMENT


@pytest.fixture
def toy_path(monkeypatch):
    """Processes find the stages of the tests."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
