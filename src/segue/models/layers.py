"""Pieces that networks are built of; torch is imported where they are made, and ONNX knows all of their operations."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

FAR = 40  # steps apart from which on distance is one


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


def attending(width: int, heads: int, dropout: float) -> Any:
    """A block of attention: forward (x (R, L, width), sees (R or 1, L, L), apart (R or 1, L, L)) → (R, L, width).

    sees : which places each place looks at, not 0 where it does
    apart : how many steps further on they lie, at most FAR either way, counted from -FAR
    """
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
            self.ask = nn.Linear(width, 3 * width)
            self.tell = nn.Linear(width, width)
            self.think = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))
            self.near = nn.Embedding(2 * FAR + 1, heads)  # what distance adds to attention
            self.drop = nn.Dropout(dropout)
            nn.init.zeros_(self.near.weight)

        def forward(self, x: Any, sees: Any, apart: Any) -> Any:
            rows, places, _ = x.shape
            q, k, v = self.ask(self.first(x)).view(rows, places, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
            bias = self.near(apart).permute(0, 3, 1, 2) + (1 - sees[:, None].to(x.dtype)) * -1e4
            seen = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
            x = x + self.drop(self.tell(seen.transpose(1, 2).reshape(rows, places, width)))
            return x + self.drop(self.think(self.second(x)))

    return Block()


def attentive(size: int, width: int, heads: int, dropout: float) -> Any:
    """As `recurrent`, of attention: each step looks back at all before it and at itself, so never at what pads the end.

    What it says is of mean 0 and spread 1 over the width, so that no answer grows beyond all bounds.
    """
    import torch
    from torch import nn

    class Attentive(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Linear(size, width)
            self.block = attending(width, heads, dropout)
            self.last = nn.LayerNorm(width)

        def forward(self, x: Any, n: Any) -> Any:
            at = torch.arange(x.shape[1], device=x.device)
            ahead = (at[None] - at[:, None])[None]
            return self.last(self.block(self.enter(x), ahead <= 0, ahead.clamp(-FAR, FAR) + FAR))

    return Attentive()


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
