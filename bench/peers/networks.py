"""Networks that others published, by the names of their cases."""
from dit import DiT


def cifar():
    """The UNet of torchcfm's example of CIFAR-10, which has no labels."""
    from torchcfm.models.unet.unet import UNetModelWrapper

    class Unlabelled(UNetModelWrapper):
        def forward(self, t, x, label=None):
            return super().forward(t, x)

    return Unlabelled(dim=(3, 32, 32), num_res_blocks=2, num_channels=128, channel_mult=[1, 2, 2, 2], num_heads=4,
                      num_head_channels=64, attention_resolutions="16", dropout=0.1)


def velocities():
    """Those that are evaluated: name, what makes the network, the shape of a point, batch."""
    for name, make, shape in ("cifar-unet", cifar, (3, 32, 32)), ("DiT-S/2", DiT, (4, 32, 32)):
        for batch in 1, 16:
            yield name, make, shape, batch
