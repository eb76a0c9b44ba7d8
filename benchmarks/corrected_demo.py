"""The demo's errors corrected in a browser, as somebody would who knows the people.

    python -m benchmarks.corrected_demo DEMO OUT [--held-back 40] [--eps 0.6]

DEMO is the folder of a finished `webbody demo`. Builds its list without some rows, opens
`webbody view --edit` in headless Chromium, looks for each picture that the truth calls wrong and
says so by keys, and builds again: purity and recall before and after, and how many keys and clicks
it took. Then the rows that were held back come in, and another `clusters.eps`.
"""

import argparse
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.figures import Figures, add_option
from webbody.config import BuildConfig
from webbody.demo.scoring import score_images, score_people
from webbody.demo.scoring.built import read_build
from webbody.demo.website.kinds import FETCHED
from webbody.manifest import sample_key

CHROMIUM = "/usr/bin/chromium"
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
          "--disable-component-update", "--disable-sync")  # fmt: skip
_REFERS = ("duplicate_of", "near_duplicate_of")


def held_back(truth: pa.Table, count: int) -> set[int]:
    """Rows that can come later: of the ordinary pictures, none that others are copies of."""
    rows = truth.to_pylist()
    used = {row[name] for row in rows for name in _REFERS if row[name] is not None}
    free = [
        row["row"]
        for row in rows
        if row["kind"] in ("right", "wrong")
        and row["row"] not in used
        and all(row[name] is None for name in _REFERS)
    ]
    return set(free[:: max(1, len(free) // count)][:count])


def smaller_web(web: Path, out: Path, gone: set[int]) -> None:
    """The list and the truth of a web without some rows; the pictures stay where they are."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(web / "names.parquet", out)
    for name in ("manifest", "truth"):
        table = pq.read_table(web / f"{name}.parquet")
        stays = [row for row in range(len(table)) if row not in gone]
        table = table.take(pa.array(stays))
        if name == "truth":
            number = {old: new for new, old in enumerate(stays)}
            for column in ("row", *_REFERS):
                values = [number.get(value) for value in table[column].to_pylist()]
                at = table.column_names.index(column)
                table = table.set_column(at, table.schema.field(column), pa.array(values, "int64"))
        pq.write_table(table, out / f"{name}.parquet")


@dataclass
class WrongPicture:
    """A crop that was decided wrongly, and the key that says so in the viewer."""

    crop: str
    key: str


def wrong_pictures(out: Path, web: Path) -> list[WrongPicture]:
    """Kept crops that show somebody else, and one crop of each picture that should be there."""
    built = read_build(str(out))
    rows = pq.read_table(web / "truth.parquet").to_pylist()
    names = {row["name"]: row["identity"]
             for row in pq.read_table(web / "names.parquet").to_pylist()}  # fmt: skip
    matched = {
        key: score_images.match_photo(row, built.crops.get(key, []))
        for row in rows
        if row["kind"] in ("right", "wrong")
        for key in [sample_key(row["url"], row["name"])]
    }
    found = []
    for match in matched.values():
        found += [
            WrongPicture(crop.name, "s")
            for crop, figure in match.kept()
            if figure is None or figure["identity"] != names[match.truth["name"]]
        ]
    for match in score_people.missing(list(matched.values())):
        right = [
            crop.name
            for crop, shown in zip(match.crops, match.shown, strict=True)
            if shown is not None
            and match.truth["figures"][shown]["identity"] == match.truth["identity"]
        ]
        found += [WrongPicture(crop, "e") for crop in right[:1]]
    return found


def correct_in_browser(out: Path, wrong: list[WrongPicture]) -> int:
    """Say what is wrong in `webbody view --edit`; the keys and clicks that it took."""
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "webbody", "view", str(out), "--edit"]
    strokes = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = next(line for line in server.stdout if line.startswith("Open "))
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
                page = browser.new_page()
                page.goto(line.split()[1])
                for one in wrong:
                    page.keyboard.press("/")  # the field that finds keys
                    page.keyboard.insert_text(one.crop)  # pasted
                    page.keyboard.press("Enter")
                    page.wait_for_url(f"**/{one.crop.rpartition('-')[0]}**")
                    page.focus(f'[data-crop="{one.crop}"]')
                    page.keyboard.press(one.key)
                    page.wait_for_selector("text=written")
                    strokes += 5  # the three keys, a click on the crop, the verdict
                browser.close()
        finally:
            server.terminate()
    return strokes


def _port(web: Path) -> int:
    """Where a web's addresses say that it is served."""
    rows = pq.read_table(web / "truth.parquet", columns=["url", "expected"]).to_pylist()
    ports = Counter(urlsplit(row["url"]).port for row in rows if row["expected"] == FETCHED)
    return int(ports.most_common(1)[0][0] or 80)


def scored(config: BuildConfig, served: Path, truth: Path) -> dict[str, Any]:
    """Build, and the score."""
    from pipelines.build import build
    from webbody.demo.scoring.score import score
    from webbody.demo.website.server import serve

    with serve(served, _port(served)):
        result = build(config)
    if not result.complete:
        raise SystemExit(f"{config.out}: the build is not complete")
    return score(config.out, truth)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("demo", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--held-back", type=int, default=40, help="rows that come later")
    parser.add_argument("--eps", type=float, default=0.55, help="clusters.eps in the end")
    add_option(parser)
    arguments = parser.parse_args()
    found = Figures("corrected_demo", arguments)
    from webbody.cli.demo import demo_config

    web, small = arguments.demo / "web", arguments.out / "web"
    smaller_web(web, small, held_back(pq.read_table(web / "truth.parquet"), arguments.held_back))
    gallery = (str(arguments.demo / "gallery.parquet"),)
    config = demo_config(small, arguments.out / "build", gallery, ())

    def tell(what: str, score: dict[str, Any]) -> None:
        names = ("identity_purity", "identity_recall", "merges_right", "merges_wrong", "leaks_left")
        figures = {name: score["counted"][name] for name in names}
        print(f"{what}: {figures}", flush=True)
        found.row(what=what, **figures)

    tell("as built", scored(config, web, small))
    strokes = 0
    for round_ in (1, 2):  # what is kept now may show what else is missing
        wrong = wrong_pictures(Path(config.out), small)
        if not wrong:
            break
        strokes += correct_in_browser(Path(config.out), wrong)
        print(f"round {round_}: {len(wrong)} pictures corrected", flush=True)
        tell(f"corrected, {strokes} keys and clicks so far", scored(config, web, small))
    more = demo_config(web, arguments.out / "build", gallery, ())
    shutil.copy(web / "manifest.parquet", small / "manifest.parquet")  # the list has grown
    more.manifest = config.manifest
    tell(f"with {arguments.held_back} more rows", scored(more, web, web))
    more.clusters.eps = arguments.eps
    tell(f"with clusters.eps={arguments.eps}", scored(more, web, web))
    return 0


if __name__ == "__main__":
    sys.exit(main())
