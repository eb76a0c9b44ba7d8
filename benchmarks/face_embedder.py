"""The face embedder (CVLFace's ViT-B with KP-RPE, random weights): faces a second.

    python -m benchmarks.face_embedder [--batches 32 128 512] [--json FILE]

By batch and precision; "float32" is what a build runs today. A run is what a build does: uint8
faces and their landmarks go from the host to the device, features come back. MFU is the share of
the device's peak by its data sheet, for that type; TensorFloat-32's peak is not in that table.
"""

import argparse
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.figures import Figures, add_option
from benchmarks.model_runs import peak_on_cuda, seconds
from model.face_embedder import LANDMARKS, TOKENS, FaceEmbedder
from model.flops import encoder_flops, peak_flops
from webbody.geometry import FACE_SIDE

TINY = {"depth": 2, "width": 64, "heads": 4}
PRECISIONS = ("float32", "tf32", "bfloat16", "bfloat16, compiled")


def flops(model: FaceEmbedder) -> float:
    """Operations of one face's forward: matrix products alone."""
    net = model.net
    embedding = net.patch_embed.proj.weight.numel() + net.keypoint_linear.weight.numel()
    around = TOKENS * embedding + net.feature[0].weight.numel() + net.feature[2].weight.numel()
    return encoder_flops(net.blocks, TOKENS) + 2 * around


def runner(model: FaceEmbedder, batch: int, precision: str, device: str) -> Callable[[], None]:
    """One batch from the host to features on the host, to be called again and again."""
    generator = torch.Generator().manual_seed(0)
    faces_BHW3 = torch.randint(0, 256, (batch, FACE_SIDE, FACE_SIDE, 3), dtype=torch.uint8,
                               generator=generator)  # fmt: skip
    landmarks_B52 = torch.rand(batch, LANDMARKS, 2, generator=generator)
    forward = torch.compile(model) if precision.endswith("compiled") else model
    half = precision.startswith("bfloat16")

    @torch.inference_mode()
    def run() -> None:
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        pixels = faces_BHW3.to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.autocast(device, torch.bfloat16, enabled=half):
            features: Tensor = forward(pixels, landmarks_B52.to(device))
        features.float().cpu()

    return run


def measure(arguments: argparse.Namespace, found: Figures) -> None:
    """Print a row for each precision and batch; one that fails loses only itself."""
    device = arguments.device
    torch.manual_seed(0)
    model = FaceEmbedder(**TINY if arguments.tiny else {}).to(device).eval()
    torch.nn.init.normal_(model.net.keypoint_linear.weight, std=0.02)
    work = flops(model)
    print(f"{work / 1e9:.2f} GFLOP a face")
    print(f"{'precision':<20} {'batch':>6} {'faces':>12} {'MFU':>7} {'memory':>12}")
    best: dict[str, float] = {}
    for precision in arguments.precisions:
        dtype = torch.bfloat16 if precision.startswith("bfloat16") else torch.float32
        peak = None if precision == "tf32" else peak_flops(device, dtype)
        for batch in arguments.batches:
            run = runner(model, batch, precision, device)
            try:
                speed = batch / seconds({"": run}, device, arguments.rounds)[""]
                memory = peak_on_cuda(model, run) if device == "cuda" else None
            except Exception as error:
                failed = f"{type(error).__name__}: {str(error)[:300].strip()}"
                print(f"{precision:<20} {batch:6} {failed}", flush=True)
                found.row(precision=precision, batch=batch, failed=failed)
                continue
            mfu = speed * work / peak if peak else None
            shown = f"{mfu:7.1%}" if mfu else f"{'-':>7}"
            shown += f" {memory:8.0f} MiB" if memory else f" {'-':>12}"
            print(f"{precision:<20} {batch:6} {speed:10.1f}/s {shown}", flush=True)
            found.row(precision=precision, batch=batch, images_per_second=speed, mfu=mfu,
                      peak_flops=peak, peak_mib=memory, flops=work)  # fmt: skip
            best[precision] = max(best.get(precision, 0.0), speed)
    for precision, speed in best.items():
        if precision != "float32" and "float32" in best:
            found.ratio(f"{precision} beside float32", speed / best["float32"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="a model of two small blocks")
    add_option(parser)
    arguments = parser.parse_args()
    measure(arguments, Figures("face_embedder", arguments))


if __name__ == "__main__":
    main()
