"""Pieces that networks are built of; torch is imported where they are made, and ONNX knows all of their operations."""

from __future__ import annotations

from itertools import pairwise
from typing import Any


def recurrent(kind: str, size: int, hidden: int, *, both_ways: bool = False) -> Any:
    """A recurrent layer over plays padded at their end: forward (x (R, L, size), n (R,)) → (R, L, hidden or twice that).

    Backwards, each row is turned over within its n places, so that padding is never read before a play.
    """
    import torch
    from torch import nn

    make = {"lstm": nn.LSTM, "gru": nn.GRU}[kind]

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.there = make(size, hidden, batch_first=True)
            self.back = make(size, hidden, batch_first=True) if both_ways else None

        def forward(self, x: Any, n: Any) -> Any:
            there, _ = self.there(x)
            if self.back is None:
                return there
            back, _ = self.back(turned(x, n))
            return torch.cat([there, turned(back, n)], -1)

    return Recurrent()


def turned(x: Any, n: Any) -> Any:
    """Each row of x (R, L, D) turned over within its first n places."""
    import torch

    at = (n[:, None] - 1 - torch.arange(x.shape[1], device=x.device)[None]).clamp(min=0)
    return torch.gather(x, 1, at[..., None].expand(-1, -1, x.shape[2]))


def after(states: Any, sees: Any) -> Any:
    """The state (R, Q, D) after the plays that each target sees; zeros where it sees none.

        states   s1 s2 s3      sees   0  2  3      →      0  s2 s3
    """  # fmt: skip
    import torch

    at = (sees - 1).clamp(min=0, max=states.shape[1] - 1)
    found = torch.gather(states, 1, at[..., None].expand(-1, -1, states.shape[2]))
    return found * (sees > 0)[..., None].to(found.dtype)


def dense(*sizes: int, dropout: float = 0.0) -> Any:
    """Dense layers with ReLU and dropout between them."""
    from torch import nn

    layers: list[Any] = []
    for k, (wide, narrow) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(wide, narrow))
        if k < len(sizes) - 2:
            layers += [nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


def asked_inputs(queue: Any, position: Any, ahead: Any) -> Any:
    """An asked play as a network reads it, two wider than its attributes: how far ahead it lies, its place in the session."""
    import torch

    far, place = torch.log(ahead.to(queue.dtype)), torch.log1p(position.to(queue.dtype)) / 3
    return torch.cat([queue, far[..., None], place[..., None]], -1)


def moodless(log_odds: Any) -> tuple[Any, Any]:
    """Log-odds (R, Q) as the answer of a network that knows no moods."""
    return log_odds[..., None], log_odds[:, :1] * 0
