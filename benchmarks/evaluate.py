"""Ranking a gallery for every query, beside the bare matrix product of the same features.

    python -m benchmarks.evaluate
    python -m benchmarks.evaluate --images 100000 --dtype float16 --queries 5000
    python -m benchmarks.evaluate --queries 2500 --fuse min-max   two matchers, and their products

As many queries as gallery images, ten of each person and six cameras. Queries are taken in runs;
for each run the product and the evaluation follow each other, so that other work on the machine
hits both alike, and the ratio is that of the sums; on the CPU it is processor time that counts.
With --queries only so many of them are taken, of the same gallery: time is proportional to them.
Aims: 0.5 of the product's speed, less than 8 GiB.
"""

import argparse
import resource
import time
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.figures import Figures, add_option
from model.evaluation.fusion import evaluate_fused
from model.evaluation.ranking import Images, evaluate

WIDTH = 4096
CAMERAS = 6


def made(images: int, per_person: int, noise: float, dtype: torch.dtype, device: str) -> Images:
    """Images with features around those of their person; made in pieces, to need little memory."""
    generator = torch.Generator(device).manual_seed(0)
    people = -(-images // per_person)
    centre_PD = torch.randn(people, WIDTH, generator=generator, device=device)
    features_ND = torch.empty(images, WIDTH, dtype=dtype, device=device)
    person_N = torch.arange(images, device=device) % people
    for rows in torch.arange(images, device=device).split(4096):
        around_ND = torch.randn(len(rows), WIDTH, generator=generator, device=device)
        features_ND[rows] = (centre_PD[person_N[rows]] + noise * around_ND).to(dtype)
    camera_N = torch.randint(CAMERAS, (images,), generator=generator, device=device)
    return Images(features_ND, person_N, camera_N)


def some(images: Images, rows: slice) -> Images:
    assert images.camera is not None
    return Images(images.features[rows], images.person[rows], images.camera[rows])


def product(query_BD: Tensor, gallery_GD: Tensor) -> None:
    """All that has to be computed: float32 results, as fast as the device gives them."""
    if query_BD.is_cuda and query_BD.dtype != torch.float32:
        torch.mm(query_BD, gallery_GD.T, out_dtype=torch.float32)
    else:
        torch.mm(query_BD.float(), gallery_GD.T)


def seconds(call: Callable[[], object], device: str) -> float:
    if device == "cpu":
        begin = time.process_time()
        call()
        return time.process_time() - begin
    begin = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - begin


def peak_bytes(device: str) -> int:
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--queries", type=int, help="all, if not given")
    parser.add_argument("--run", type=int, default=2500, help="queries that are taken at a time")
    parser.add_argument("--per-person", type=int, default=10)
    parser.add_argument("--noise", type=float, default=4.0, help="more makes ranking harder")
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float32")
    parser.add_argument("--fuse", choices=("max", "min-max", "mean"), help="two matchers this way")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    add_option(parser)
    arguments = parser.parse_args()
    figures = Figures("evaluate", arguments)
    device, dtype = arguments.device, getattr(torch, arguments.dtype)
    images = made(arguments.images, arguments.per_person, arguments.noise, dtype, device)
    features_ND = images.features
    assert isinstance(features_ND, Tensor)
    # On a CPU the bare product is that of float32: this machine may have none of halves.
    bare_ND = features_ND if device == "cuda" else features_ND.float()
    queries = min(arguments.queries or arguments.images, arguments.images)
    times = torch.zeros(2, dtype=torch.float64)
    found = []
    for start in range(0, queries, arguments.run):
        rows = slice(start, min(start + arguments.run, queries))
        query = some(images, rows)

        def ours(query: Images = query) -> None:
            if arguments.fuse:
                sides = [query, query], [images, images]
                found.append(evaluate_fused(*sides, "general", arguments.fuse))
            else:
                found.append(evaluate(query, images, "general"))

        alone = seconds(lambda rows=rows: product(bare_ND[rows], bare_ND), device)
        if arguments.fuse:
            alone += seconds(lambda rows=rows: product(bare_ND[rows], bare_ND), device)
        times += torch.tensor([alone, seconds(ours, device)])
    alone, whole = times.tolist()
    speed = 2e-9 * queries * len(bare_ND) * WIDTH / alone
    size = sum(x.numel() * x.element_size() for x in {features_ND, bare_ND}) / 2**30
    print(
        f"{queries:,} queries x {arguments.images:,} images, {WIDTH} numbers, {arguments.dtype}, "
        f"{device}, {torch.get_num_threads()} threads\n"
        f"product alone {alone:8.1f} s   {speed:,.0f} GFLOP/s\n"
        f"evaluation    {whole:8.1f} s   ratio {alone / whole:.2f} (aim 0.5)\n"
        f"peak memory   {peak_bytes(device) / 2**30:8.2f} GiB, of which {size:.2f} GiB features\n"
        f"mAP of the first run {found[0].mAP:.3f}, {found[0].queries} queries"
    )
    gib = peak_bytes(device) / 2**30
    figures.row(queries=queries, product_seconds=alone, seconds=whole, peak_gib=gib)
    figures.ratio(f"fused by {arguments.fuse}" if arguments.fuse else "ranking", alone / whole)


if __name__ == "__main__":
    main()
