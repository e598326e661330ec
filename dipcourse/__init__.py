"""The helper package of a course on the Deep Image Prior.

Names are used with their module, so that each line says where they come from:
``degrade.Mask(...)``, ``fit.fit(...)``, ``show.images(...)``.

Notation: a picture is a float32 tensor (1, C, H, W) with values in [0, 1].
    x          the clean picture; no restoration sees it
    A          the damage, an operator of ``degrade``
    σ          standard deviation of the noise; 25 grey levels are 25/255
    y          the measurement: A(x) + noise
    z          the fixed input of the network
    θ, f_θ     the parameters, and the network that has them: ``net``
    x_hat      an estimate of x, such as f_θ(z)
    λ          weight of a prior in the loss
    n          number of values of a picture, C·H·W
    N, k       number of steps of a fit, and one of them: 0 … N − 1

Modules, and the lesson that builds what is in them ("used" is plumbing):
    images, history, presets, recordings, show, player, check    00 (used)
    metrics    00; 03 for the frequency bands
    priors     01
    baselines  00 best_of, 04 wavelets; the other methods are used
    degrade    00 noise, 01 operators (Downsample, Blur: 06), 03 shuffles, 04 JPEG, 05 masks
    live       01 panel, 02 iterations and fit_panel, 05 draw_mask (all used)
    nets       01 PixelImage, 02 UNet, 05 ResNet and identity skips, 07 DeepDecoder
    fit        01 pixels, 02 networks
    stopping   07
"""

from importlib.metadata import version

__version__ = version("dipcourse")
