"""The headers of every request: who asks."""

from pipelines.fetching.web_access import headers
from webbody import __version__
from webbody.config import load


def test_h14_requests_name_webbody_and_the_users_contact():
    settings = load().download
    assert headers(settings)["User-Agent"] == f"webbody/{__version__}"
    settings.contact = "mailto:me@example.org"
    assert headers(settings)["User-Agent"] == f"webbody/{__version__} (+mailto:me@example.org)"
    settings.user_agent = "library-of-faces/2"
    assert headers(settings)["User-Agent"] == "library-of-faces/2 (+mailto:me@example.org)"
