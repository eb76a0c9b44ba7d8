"""Some queries of a validation and the images that the model finds most similar, to look at.

Shape suffixes: N images, G gallery images, S queries that are shown, T images of a ranking.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.evaluation.similarity import exact_products
from model.training.data.table import Table

#: Queries that are shown, the same ones in each validation, and images of each ranking.
QUERIES, TOP = 24, 8


@dataclass(frozen=True)
class PictureInTar:
    """Where a picture is: `length` bytes at `offset` of the tar `shard`."""

    shard: str
    offset: int
    length: int

    @property
    def name(self) -> str:
        """What it is called where it is shown."""
        return f"{self.shard.rpartition('/')[2]}, byte {self.offset:,}"


@dataclass(frozen=True)
class SimilarPicture:
    """An image of a ranking: its cosine, and whether it shows the query's person."""

    picture: PictureInTar
    cosine: float
    match: bool


@dataclass(frozen=True)
class ExampleRanking:
    """A query, the rank of its first match, and the images that are most similar to it."""

    query: PictureInTar
    first_match: int
    found: list[SimilarPicture]


def example_rankings(
    table: Table,
    person_N: NDArray[np.int64],
    query_N: NDArray[np.bool_],
    gallery_N: NDArray[np.bool_],
    features_NF: Tensor,
) -> list[ExampleRanking]:
    """The rankings of QUERIES queries that have a match, evenly over the set.

    query_N, gallery_N: who is searched, and among whom, but for the image itself; their features
    are finite.
    """
    gallery_G = np.flatnonzero(gallery_N)
    others_N = np.bincount(person_N[gallery_G], minlength=int(person_N.max()) + 1)[person_N]
    able = np.flatnonzero(query_N & (others_N > gallery_N))
    picked = np.linspace(0, len(able) - 1, min(QUERIES, len(able))).round().astype(int)
    unit_GF = torch.nn.functional.normalize(features_NF[torch.from_numpy(gallery_G)].float())
    out = []
    for query in able[picked].tolist():
        unit_F = torch.nn.functional.normalize(features_NF[query].float(), dim=0)
        with exact_products():
            cosine_G = (unit_GF @ unit_F).cpu().numpy()
        order_G = np.argsort(-cosine_G, kind="stable")
        order_G = order_G[gallery_G[order_G] != query]
        match_G = person_N[gallery_G[order_G]] == person_N[query]
        shown = zip(order_G[:TOP].tolist(), match_G[:TOP].tolist(), strict=True)
        found = [
            SimilarPicture(_place(table, gallery_G[place]), float(cosine_G[place]), right)
            for place, right in shown
        ]
        out.append(ExampleRanking(_place(table, query), int(match_G.argmax()) + 1, found))
    return out


def _place(table: Table, image: int) -> PictureInTar:
    where = table.shards[table.shard[image]]
    return PictureInTar(where, int(table.offset[image]), int(table.length[image]))
