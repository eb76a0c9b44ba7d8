"""Text of strangers as it is printed."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from pipelines.inspection.estimate import BuildEstimate
from webbody.cli.tables import print_estimate
from webbody.plain_text import plain_text

GONE = "\N{REPLACEMENT CHARACTER}"


def test_control_characters_are_made_visible():
    assert plain_text("a\x00b\n") == f"a{GONE}b{GONE}"
    assert plain_text("\x1b[31mred\x9b0m") == f"{GONE}[31mred{GONE}0m"
    assert plain_text("photo\u202egpj.exe") == f"photo{GONE}gpj.exe"
    assert plain_text("Zoë 李 👩‍🚀") == "Zoë 李 👩‍🚀"


def test_long_text_is_cut():
    assert plain_text("x" * 500, 10) == "x" * 9 + "…"
    assert plain_text("x" * 10, 10) == "x" * 10


@given(st.text(alphabet=st.characters()))
def test_a_terminal_gets_one_line_and_no_command(text):
    shown = plain_text(text)
    assert len(shown) == len(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    file = io.StringIO()
    Console(file=file, force_terminal=True, width=10_000).print(Text(shown), soft_wrap=True)
    assert file.getvalue() == shown + "\n"
    shown.encode()


def test_a_folder_with_brackets_in_its_name_is_told_as_it_is():
    estimate = BuildEstimate(
        rows=1,
        accepted=1,
        rejected={},
        names=1,
        shards=1,
        stages={},
        wall_seconds=1,
        bytes=1,
        workers="2 CPUs busy",
        source="measured on 3 rows in [main]/x[/]\x1b[2J",
    )
    file = io.StringIO()
    print_estimate(estimate, Console(file=file, force_terminal=True, width=200))
    assert f"Rates: measured on 3 rows in [main]/x[/]{GONE}[2J." in file.getvalue()
