"""Everything that commands print goes one way, which no text of a stranger's can steer."""

import ast
import io
import json
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

import webbody.cli
from webbody.cli.printing import PlainConsole, echo, echo_json

HOSTILE = "[bold]x[/] [/nothing] :smile: [link=http://a]b[/link] \x1b[2J\x9b31m\u202eabc\r\x07"
GONE = "\N{REPLACEMENT CHARACTER}"
SIGNED = "https://user:hunter2@host/a?sig=hunter2"
CLI = Path(webbody.cli.__file__).parent


def steers(text: str) -> bool:
    """Whether it holds a character that a terminal obeys, but for colours of rich's own."""
    return any(c in text for c in ("\x1b[2J", "\x9b", "\u202e", "\r", "\x07", "\x1b]8"))


@pytest.mark.parametrize("path", sorted(CLI.glob("*.py")), ids=lambda path: path.stem)
def test_commands_print_by_these_alone(path):
    if path.stem == "printing":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"print", "typer.echo", "typer.secho", "click.echo", "Console",
                                  "rich.print", "sys.stdout.write", "sys.stderr.write"}  # fmt: skip


@pytest.mark.parametrize("terminal", [True, False])
def test_a_console_takes_texts_as_they_are(terminal):
    file = io.StringIO()
    console = PlainConsole(file=file, force_terminal=terminal, width=300)
    console.print(HOSTILE)
    console.print(Text(HOSTILE, style="red"))
    console.print(f"see {SIGNED}")
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    console.print(table)
    said = file.getvalue()
    with console.status(HOSTILE):  # is no markup
        pass
    assert not steers(said)
    assert f"[bold]x[/] [/nothing] :smile: [link=http://a]b[/link] {GONE}[2J{GONE}31m" in said
    assert "hunter2" not in said and "https://***@host/a?sig=***" in said


def test_lines_are_printed_as_they_are(capsys):
    echo(f"one {HOSTILE}\ntwo {SIGNED}")
    echo(HOSTILE, err=True, fg="red")
    out, error = capsys.readouterr()
    assert out.splitlines()[0].startswith("one [bold]x[/]") and "two https://***@host" in out
    assert not steers(out) and not steers(error) and len(error.splitlines()) == 1


def test_json_is_ascii_and_reads_back(capsys):
    echo_json({"name": HOSTILE, "from": SIGNED, "Zoë": 1})
    out = capsys.readouterr().out
    assert out.isascii() and not steers(out)
    assert json.loads(out) == {"name": HOSTILE, "from": "https://***@host/a?sig=***", "Zoë": 1}
