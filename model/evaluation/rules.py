"""Which gallery images of the query's person count as matches; the others of that person are junk.

Junk is deleted from the query's ranking. Images of other people stay, whatever their camera and
clothes. The rules are those of Market-1501 and of CAL (Gu et al., CVPR 2022), as the authors of
SapiensID use them.

Shape suffixes: N pairs of a query and a gallery image of the same person.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from model.evaluation.images import Labels
from webbody.errors import WebbodyError

#: general: the camera differs; where all gallery cameras are -1, cameras are ignored.
#: same_clothes: the camera differs and the clothes are equal.
#: cloth_changing: the camera and the clothes differ.
#: ignore_cameras: every image of the person.
Rule = Literal["general", "same_clothes", "cloth_changing", "ignore_cameras"]


class Matches:
    """A rule on two sides; called with pairs, it says which of them are matches (N,).

    Raises WebbodyError for an unknown rule and where the sides lack what it asks for.
    """

    def __init__(self, rule: Rule, query: Labels, gallery: Labels) -> None:
        if rule not in get_args(Rule):
            raise WebbodyError(f"there is no rule {rule!r}; there are {', '.join(get_args(Rule))}")
        sides = {"query": query, "gallery": gallery}
        self.cameras = self.clothes = None
        if rule != "ignore_cameras":
            self.cameras = tuple(_given(s.camera_N, n, "cameras", rule) for n, s in sides.items())
        if rule in ("same_clothes", "cloth_changing"):
            self.clothes = tuple(_given(s.clothes_N, n, "clothes", rule) for n, s in sides.items())
        if rule == "general" and self.cameras and (self.cameras[1] == -1).all():
            self.cameras = None
        self.same = rule == "same_clothes"

    def __call__(self, query_N: Tensor, gallery_N: Tensor) -> Tensor:
        match_N = torch.ones_like(query_N, dtype=torch.bool)
        if self.cameras is not None:
            match_N &= self.cameras[0][query_N] != self.cameras[1][gallery_N]
        if self.clothes is not None:
            equal_N = self.clothes[0][query_N] == self.clothes[1][gallery_N]
            match_N &= equal_N if self.same else ~equal_N
        return match_N


def _given(values: Tensor | None, side: str, what: str, rule: str) -> Tensor:
    if values is None:
        raise WebbodyError(f"the rule {rule!r} asks for {what}, and the {side} images have none")
    return values
