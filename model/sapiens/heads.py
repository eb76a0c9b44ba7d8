"""The heads: transposed convolutions to a finer map, then 1 x 1 convolutions to its channels.

Norms of single images without parameters between them (InstanceNorm).
"""

from torch import Tensor, nn


class ConvolutionHead(nn.Module):
    """Features of the encoder to a map of `outputs` channels, 2 ** `upsamplings` as large.

    Args:
        width: Of the encoder.
        channels: Inside the head.
        upsamplings: Doublings of the map.
        layers: 1 x 1 convolutions before the last.
        outputs: Channels of the result.
        dropout: Share of channels that training leaves out before the last convolution.
    """

    def __init__(
        self,
        width: int,
        channels: int,
        upsamplings: int,
        layers: int,
        outputs: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        up: list[nn.Module] = []
        for number in range(upsamplings):
            before = channels if number else width
            up += [
                nn.ConvTranspose2d(before, channels, 4, 2, 1, bias=False),
                nn.InstanceNorm2d(channels),
                nn.SiLU(),
            ]
        mix: list[nn.Module] = []
        for _ in range(layers):
            mix += [nn.Conv2d(channels, channels, 1), nn.InstanceNorm2d(channels), nn.SiLU()]
        self.deconv_layers, self.conv_layers = nn.Sequential(*up), nn.Sequential(*mix)
        self.dropout = nn.Dropout2d(dropout)
        self.final = nn.Conv2d(channels, outputs, 1)
        nn.init.normal_(self.final.weight, std=0.001)
        assert self.final.bias is not None
        nn.init.zeros_(self.final.bias)

    def forward(self, features_BDYX: Tensor) -> Tensor:
        """Features (B, D, Y, X) to maps (B, outputs, Y * 2 ** upsamplings, X * ...)."""
        x = self.conv_layers(self.deconv_layers(features_BDYX))
        out: Tensor = self.final(self.dropout(x))
        return out
