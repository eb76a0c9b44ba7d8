"""The figures of `benchmarks.gpu` as the Markdown tables of docs/benchmarks.md."""

from collections.abc import Callable, Iterable
from typing import Any

Row = dict[str, Any]
#: A column's head, and what stands there of a row.
Column = tuple[str, Callable[[Row], str]]


def _text(key: str) -> Callable[[Row], str]:
    return lambda row: str(row.get(key, ""))


def _rate(key: str = "images_per_second") -> Callable[[Row], str]:
    return lambda row: f"{row[key]:,.0f}/s" if row.get(key) else _failed(row)


def _failed(row: Row) -> str:
    """Why a row has no figures, on one line of a table."""
    why = row.get("failed", "")
    return "failed" if why is True else " ".join(str(why).replace("|", "/").split())


def _mfu(row: Row) -> str:
    """The share of a peak, and that peak; rows of training have FLOPs a second."""
    peak = row.get("peak_flops")
    share = row["flops"] / peak if peak and "tokens" in row and "flops" in row else row.get("mfu")
    return f"{share:.1%} of {peak / 1e12:.0f} TFLOP/s" if peak and share else ""


def _mib(key: str) -> Callable[[Row], str]:
    return lambda row: f"{row[key]:,.0f} MiB" if row.get(key) else ""


def _training(row: Row) -> str:
    if "kept" in row:
        return f"{row['kept']} tokens, batch {row['batch']}"
    return f"{row['what']}, decoding on {row['decode']}" if "decode" in row else str(row["what"])


def _pair(key: str, index: int, unit: str) -> Callable[[Row], str]:
    return lambda row: f"{row[key][index]:,.0f}{unit}"


_FORMS: tuple[Column, ...] = (
    ("tokens", _text("tokens")), ("batch", _text("batch")), ("mode", _text("mode")),
    ("bias", _text("form")), ("images", _rate()), ("memory", _mib("peak_mib")),
)  # fmt: skip
_MODELS: tuple[Column, ...] = (
    ("tokens", _text("tokens")), ("batch", _text("batch")), ("mode", _text("mode")),
    ("plain ViT", _pair("images_per_second", 0, "/s")),
    ("SapiensID", _pair("images_per_second", 1, "/s")),
    ("ratio", lambda row: f"{row['images_per_second'][1] / row['images_per_second'][0]:.2f}"),
    ("memory, plain", _pair("peak_mib", 0, " MiB")),
    ("memory, SapiensID", _pair("peak_mib", 1, " MiB")),
)  # fmt: skip
#: Part -> (title, which of its rows, columns), in the order of the document.
TABLES: dict[str, tuple[tuple[str, Callable[[Row], bool], tuple[Column, ...]], ...]] = {
    "face embedder": (
        (
            "Face embedder (ViT-B, KP-RPE), from the host and back",
            lambda row: True,
            (
                ("precision", _text("precision")), ("batch", _text("batch")), ("faces", _rate()),
                ("MFU", _mfu), ("memory", _mib("peak_mib")),
            ),
        ),
    ),
    "training": (
        (
            "Training steps, SapiensID (the best MFU published for a small ViT is 23 %)",
            lambda row: "table" in row,
            (
                ("", _training), ("images", _rate("images")),
                ("waiting", lambda row: f"{row['waiting']:.1%}" if "waiting" in row else ""),
                ("MFU", _mfu),
                ("memory", lambda row: f"{row['peak_gib']:.1f} GiB" if "peak_gib" in row else ""),
            ),
        ),
    ),
    "classifier": (
        (
            "Classifier, forward and backward, float32",
            lambda row: True,
            (
                ("", _text("head")), ("batch", _text("batch")), ("images", _rate()),
                ("MFU", _mfu), ("memory", _mib("peak_mib")),
            ),
        ),
    ),
    "attention": (
        ("SapiensID beside a plain ViT", lambda row: row.get("table") == "models", _MODELS),
        ("Ways of KP-RPE's bias", lambda row: row.get("table") == "forms", _FORMS),
    ),
    "compiled": (
        ("The same, blocks compiled", lambda row: row.get("table") == "models", _MODELS),
        ("Ways of KP-RPE's bias, blocks compiled", lambda row: row.get("table") == "forms", _FORMS),
    ),
    "mapped head": (
        (
            "The same with the mapped head beside a plain ViT",
            lambda row: row.get("table") == "models",
            _MODELS,
        ),
    ),
    "sapiens": (
        (
            "Sapiens: encoder beside timm's, and a pretraining step",
            lambda row: True,
            (
                ("size", _text("size")), ("side", _text("side")), ("batch", _text("batch")),
                ("encoder", _rate()), ("MFU", _mfu),
                ("timm's time / ours", lambda row: f"{row['ratio']:.2f}"),
                ("memory", _mib("peak_mib")), ("pretraining", _rate("pretraining_images")),
                ("decoder", lambda row: f"{row['decoder_share']:.0%} of the time"),
            ),
        ),
    ),
    "detector": (
        (
            "Person detector",
            lambda row: True,
            (("model", _text("model")), ("batch", _text("batch")), ("pictures", _rate())),
        ),
    ),
    "loader": (
        (
            "Loader",
            lambda row: True,
            (
                ("workers", _text("workers")), ("decoding alone", _rate("raw")),
                ("loader", _rate("loader")),
                ("ratio", lambda row: f"{row['loader'] / row['raw']:.2f}"),
            ),
        ),
    ),
}  # fmt: skip


def tables(found: dict[str, Any]) -> str:
    """All tables of a run; parts that did not end well are told, with what they had measured."""
    lines = [f"{found['device']}, torch {found['torch']}, {found['cores']} cores"]
    if found["dry run"]:
        lines[0] = "A dry run, which says nothing about speed: " + lines[0]
    for name, part in found["parts"].items():
        if name == "tests":
            last = part.get("tail", "").strip().splitlines()[-1:]
            lines += ["", f"Tests that need a GPU: exit {part['exit']}; {' '.join(last)}"]
        elif part["exit"] != 0:
            lines += ["", f"{name}: not whole, {part['exit']}"]
        for title, wanted, columns in TABLES.get(name, ()):
            rows = [row for row in part.get("rows", ()) if wanted(row)]
            if rows:
                lines += ["", title, "", *_table(columns, rows)]
    lines += ["", "Not measured: " + "; ".join(found["not measured here"]) + "."]
    return "\n".join(lines)


def _table(columns: Iterable[Column], rows: list[Row]) -> list[str]:
    heads = [head for head, _ in columns]
    cells = [[shown(row) for _, shown in columns] for row in rows]
    return [f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *cells)]
