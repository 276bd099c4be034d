"""The paper's network in PyTorch, written from its description for comparison."""

from __future__ import annotations

import torch
from torch import nn

CHANNELS = (16, 16, 16, 32, 32, 32, 64, 64, 64, 128, 128, 128, 256, 512, 512)
KERNELS = (7, 5, 5, *[3] * 12)


class PaperNetwork(nn.Module):
    """Names and order of the layers are those of the published checkpoint."""

    def __init__(self, n_pixels: int = 327_680, n_latent: int = 128) -> None:
        super().__init__()
        n_flat = CHANNELS[-1] * (n_pixels >> 14)
        n_in = 1
        for i, (n_out, kernel) in enumerate(
            zip(CHANNELS, KERNELS, strict=True), start=1
        ):
            stride = 1 if i == 15 else 2
            padding = (kernel - 1) // 2
            layer = nn.Conv1d(n_in, n_out, kernel, stride, padding)
            setattr(self, f"conv{i}", nn.Sequential(layer, nn.LeakyReLU(0.1)))
            n_in = n_out
        self.fc11 = nn.Linear(n_flat, n_latent)
        self.fc12 = nn.Linear(n_flat, n_latent)
        self.fc2 = nn.Linear(n_latent, n_flat)
        layer = nn.ConvTranspose1d(512, 512, 3, 1, 1)
        self.deconv15 = nn.Sequential(layer, nn.LeakyReLU(0.1))
        for i, n_out in zip(range(14, 0, -1), (*CHANNELS[12::-1], 1), strict=True):
            layer = nn.ConvTranspose1d(n_in, n_out, 4, 2, 1)
            setattr(self, f"deconv{i}", nn.Sequential(layer, nn.LeakyReLU(0.1)))
            n_in = n_out
        self.predict0 = nn.Conv1d(1, 1, 3, 1, 1)

    def encode(self, flux: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return means and log variances, (batch, n_latent) both."""
        x = flux[:, None]
        for i in range(1, 16):
            x = getattr(self, f"conv{i}")(x)
        x = x.flatten(1)
        return self.fc11(x), self.fc12(x)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Return spectra, (batch, n_pixels)."""
        x = self.fc2(z).unflatten(1, (512, -1))
        for i in range(15, 0, -1):
            x = getattr(self, f"deconv{i}")(x)
        return self.predict0(x)[:, 0]

    def training_loss(self, flux: torch.Tensor, beta: float) -> torch.Tensor:
        """Mean absolute error over valid pixels, and the divergence's mean."""
        valid = torch.isfinite(flux)
        target = flux.nan_to_num(0.0)
        mean, log_var = self.encode(target)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        kl = 0.5 * (mean**2 + log_var.exp() - 1.0 - log_var)
        error = ((self.decode(z) - target).abs() * valid).sum(1) / valid.sum(1)
        return error.mean() + beta * kl.mean()
