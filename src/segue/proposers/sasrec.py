"""The next track from the sequence of all that was played: self-attention (SASRec, Kang & McAuley, ICDM 2018), by softmax.

    heard before   x y │ a b c        each place sees the places up to it and is asked for the next one; only those of the session
    asked          y a │ b c d        count. An input is its track, whether it was skipped, and its place

Its loss is the softmax over all tracks where they are few; where they are many, `negatives` drawn at random stand for the others,
at their weight (Bengio & Senécal 2008). gBCE (Petrov & Macdonald, RecSys 2023) was tried: on sessions as few as one listener's it
learned next to nothing. Trained by torch; what is trained answers in numpy.
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.errors import AskedWrongly, MissingExtra
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import NOTHING, Question, Saved, heard_so_far, within

N_FLAGS = 3  # not known, not skipped, skipped
PARTS = ("qkv.weight", "qkv.bias", "out.weight", "out.bias", "one.weight", "one.bias", "two.weight", "two.bias",
         "norm_one.weight", "norm_one.bias", "norm_two.weight", "norm_two.bias")  # fmt: skip
EPS = 1e-5


@dataclass(frozen=True)
class SasRec:
    """Tracks that are played fewer than `fewest` times are neither seen nor proposed: they would have next to no vector."""

    embedding_size: int = 64
    layers: int = 2
    heads: int = 2
    length: int = 50  # plays that are looked back at
    dropout: float = 0.3
    negatives: int = 4096  # a batch; where there are no more tracks, all are met
    fewest: int = 2
    epochs: int = 60
    # epochs without a better loss on the latest tenth of the lists: it may stand still before it learns
    patience: int = 10
    batch_size: int = 32
    learning_rate: float = 0.001
    seed: int = 0

    fitted_with: ClassVar = ("torch", "neural")
    sentence: ClassVar[str] = "what self-attention expects after the plays so far (SASRec)"

    def __post_init__(self) -> None:
        within(self, embedding_size=(2, 1024), layers=(1, 12), heads=(1, 16), length=(1, 512), dropout=(0, 0.9),
               negatives=(1, 1e6), fewest=(1, 1e6), epochs=(1, 1000), patience=(1, 1000), batch_size=(1, 1e5),
               learning_rate=(1e-6, 1), seed=(0, 2**31 - 1))  # fmt: skip
        if self.embedding_size % self.heads:
            raise AskedWrongly(f"embedding_size={self.embedding_size}: expected a multiple of heads={self.heads}")

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedSasRec:
        try:
            import torch
        except ImportError as cause:
            raise MissingExtra("torch", "neural") from cause
        plays = np.bincount(lists.track[lists.track >= 0], minlength=len(vocabulary))
        track = np.flatnonzero(plays >= self.fewest).astype(np.int32)
        if len(track) < 2:
            return FittedSasRec(track, {}, self.layers, self.heads, self.length)
        row = np.zeros(len(vocabulary) + 1, np.int64)  # 0: nothing, or a track without a vector
        row[track] = np.arange(1, len(track) + 1)
        sequences = list(_sequences(lists, row, self.length))
        torch.manual_seed(self.seed)
        made = _network(self, len(track))
        self._learn(made, sequences, len(track))
        weights = {name: value.detach().numpy().copy() for name, value in made.state_dict().items()}
        return FittedSasRec(track, weights, self.layers, self.heads, self.length)

    def _learn(self, made: Any, sequences: list[tuple[Array, Array, Array]], n_tracks: int) -> None:
        import torch

        rng = np.random.default_rng(self.seed)
        edge = max(1, int(0.9 * len(sequences)))
        learned, watched = sequences[:edge], sequences[edge:] or sequences[-1:]
        step = torch.optim.AdamW(made.parameters(), self.learning_rate, weight_decay=0.01)
        best, kept, since = np.inf, None, 0
        cross_entropy = torch.nn.functional.cross_entropy

        def loss_of(some: list[tuple[Array, Array, Array]], draw: np.random.Generator) -> Any:
            seen, flag, wanted = (torch.from_numpy(a) for a in _padded(some))
            hidden = made(seen, flag)[wanted > 0]
            wanted = wanted[wanted > 0]
            if not len(wanted):
                return None
            if n_tracks <= self.negatives:
                return cross_entropy(hidden @ made.track.weight[1:].T, wanted - 1)
            other = torch.from_numpy(draw.integers(1, n_tracks + 1, self.negatives))
            right = (hidden * made.track(wanted)).sum(-1, keepdim=True)
            wrong = hidden @ made.track(other).T + float(np.log((n_tracks - 1) / self.negatives))
            wrong = wrong.masked_fill(wanted[:, None] == other[None], -1e9)
            return cross_entropy(torch.cat([right, wrong], 1), torch.zeros(len(wanted), dtype=torch.long))

        for _ in range(self.epochs):
            made.train()
            order = rng.permutation(len(learned))
            for first in range(0, len(order), self.batch_size):
                loss = loss_of([learned[i] for i in order[first : first + self.batch_size]], rng)
                if loss is not None:
                    step.zero_grad()
                    loss.backward()
                    step.step()
            made.eval()
            with torch.no_grad():
                draw = np.random.default_rng(self.seed + 1)  # the same negatives each time
                blocks = [watched[i : i + self.batch_size] for i in range(0, len(watched), self.batch_size)]
                found = [float(x) for b in blocks if (x := loss_of(b, draw)) is not None]
            now = float(np.mean(found)) if found else np.inf
            if now < best:
                best, since = now, 0
                kept = {name: value.detach().clone() for name, value in made.state_dict().items()}
            else:
                since += 1
            if since >= self.patience:
                break
        if kept is not None:
            made.load_state_dict(kept)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> FittedSasRec:
        layers, heads, length = (int(settings[name]) for name in ("layers", "heads", "length"))
        cls(layers=layers, heads=heads, length=length, embedding_size=heads)
        track, weights = arrays["track"], {n: a for n, a in arrays.items() if n != "track"}
        if track.dtype != np.int32 or track.ndim != 1 or (np.diff(track) <= 0).any():
            raise ValueError("the tracks are damaged")
        if len(track) and (track[0] < 0 or track[-1] >= len(vocabulary)):
            raise ValueError("the tracks are none of the vocabulary's")
        if weights:
            width = weights["track.weight"].shape[1]
            if set(weights) != set(shapes := _shapes(len(track), width, layers, length)) or width % heads:
                raise ValueError("the network lacks a part, or has one too many")
            for name, array in weights.items():
                if array.dtype != np.float32 or array.shape != shapes[name] or not np.isfinite(array).all():
                    raise ValueError(f"{name} is damaged")
        return FittedSasRec(track, weights, layers, heads, length)


def _sequences(lists: Lists, row: Array, length: int) -> Iterator[tuple[Array, Array, Array]]:
    """Of each list, what is seen (t,), whether it was skipped (t,), and what is wanted next (t,), 0 where that does not count."""
    said = lists.listening
    for i in range(len(lists)):
        own = lists[i]
        if len(own) < 2:
            continue
        flag = np.zeros(len(own), np.int64) if said is None else said.skipped[lists.starts[i] : lists.starts[i + 1]] + 1
        before = np.zeros(0, np.int32) if said is None else said.before(i)
        before = before[before >= 0][-length:]
        seen = np.concatenate([before, own])
        flags = np.concatenate([np.zeros(len(before), np.int64), flag])
        wanted = np.concatenate(
            [np.zeros(max(0, len(before) - 1), np.int64), row[own] if len(before) else row[own[1:]], [0]]
        )
        for end in range(len(seen), len(before), -length):  # long sessions in pieces
            first = max(0, end - length)
            yield row[seen[first:end]], flags[first:end].astype(np.int64), wanted[first:end]


def _padded(some: list[tuple[Array, Array, Array]]) -> tuple[Array, Array, Array]:
    """(B, T) each, 0 after the end."""
    longest = max(len(one[0]) for one in some)
    made = np.zeros((3, len(some), longest), np.int64)
    for i, one in enumerate(some):
        made[:, i, : len(one[0])] = one
    return made[0], made[1], made[2]


def _shapes(n_tracks: int, width: int, layers: int, length: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {
        "track.weight": (n_tracks + 1, width), "flag.weight": (N_FLAGS, width), "place.weight": (length, width),
        "last.weight": (width,), "last.bias": (width,),
    }  # fmt: skip
    shape = {
        "qkv.weight": (3 * width, width), "qkv.bias": (3 * width,), "out.weight": (width, width), "one.weight": (4 * width, width),
        "one.bias": (4 * width,), "two.weight": (width, 4 * width),
    }  # fmt: skip
    for layer in range(layers):
        found |= {f"blocks.{layer}.{part}": shape.get(part, (width,)) for part in PARTS}
    return found


def _network(model: SasRec, n_tracks: int) -> Any:
    import torch
    from torch import nn

    width, heads = model.embedding_size, model.heads

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.norm_one, self.norm_two = nn.LayerNorm(width, EPS), nn.LayerNorm(width, EPS)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.one, self.two = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            self.drop = nn.Dropout(model.dropout)

        def forward(self, x: Any) -> Any:
            b, t, _ = x.shape
            q, k, v = (part.view(b, t, heads, -1).transpose(1, 2) for part in self.qkv(self.norm_one(x)).chunk(3, -1))
            seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.drop(self.out(seen.transpose(1, 2).reshape(b, t, width)))
            return x + self.drop(self.two(torch.relu(self.one(self.norm_two(x)))))

    class Network(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.track = nn.Embedding(n_tracks + 1, width)
            self.flag, self.place = nn.Embedding(N_FLAGS, width), nn.Embedding(model.length, width)
            for table in (self.track, self.flag, self.place):
                nn.init.normal_(table.weight, std=width**-0.5)
            self.blocks = nn.ModuleList([Block() for _ in range(model.layers)])
            self.last, self.drop = nn.LayerNorm(width, EPS), nn.Dropout(model.dropout)

        def forward(self, seen: Any, flag: Any) -> Any:
            x = self.drop(self.track(seen) + self.flag(flag) + self.place.weight[: seen.shape[1]])
            for block in self.blocks:
                x = block(x)
            return self.last(x)

    return Network()


@dataclass(frozen=True, eq=False)
class FittedSasRec:
    track: Array  # (V,) int32, rising
    weights: Mapping[str, Array]
    layers: int
    heads: int
    length: int

    def scores(self, question: Question) -> tuple[Array, Array]:
        if not self.weights:
            return NOTHING
        heard = heard_so_far(question)
        flag = np.zeros(len(heard), np.int64)
        flag[len(heard) - len(question.skipped) :] = question.skipped.astype(np.int64) + 1
        heard, flag = heard[-self.length :], flag[-self.length :]
        place = np.searchsorted(self.track, heard).clip(max=len(self.track) - 1)
        row = np.where(self.track[place] == heard, place + 1, 0)
        if not row.any():
            return NOTHING
        logits = self.weights["track.weight"][1:] @ self.hidden(row, flag)
        return self.track, np.exp(logits - logits.max())

    def hidden(self, row: Array, flag: Array) -> Array:
        """(D,) what the network expects after the last of the plays (t,)."""
        w = self.weights
        x = w["track.weight"][row] + w["flag.weight"][flag] + w["place.weight"][: len(row)]
        for layer in range(self.layers):
            x = self._block(x, {part: w[f"blocks.{layer}.{part}"] for part in PARTS})
        found: Array = _normed(x[-1:], w["last.weight"], w["last.bias"])[0]
        return found

    def _block(self, x: Array, w: Mapping[str, Array]) -> Array:
        t, width = x.shape
        mixed = _normed(x, w["norm_one.weight"], w["norm_one.bias"]) @ w["qkv.weight"].T + w["qkv.bias"]
        q, k, v = (part.reshape(t, self.heads, -1).transpose(1, 0, 2) for part in np.split(mixed, 3, axis=1))
        weight = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(width / self.heads))
        weight[:, np.triu(np.ones((t, t), bool), 1)] = -np.inf
        weight = np.exp(weight - weight.max(axis=2, keepdims=True))
        seen = (weight / weight.sum(axis=2, keepdims=True)) @ v
        x = x + seen.transpose(1, 0, 2).reshape(t, width) @ w["out.weight"].T + w["out.bias"]
        inner = _normed(x, w["norm_two.weight"], w["norm_two.bias"]) @ w["one.weight"].T + w["one.bias"]
        found: Array = x + np.maximum(inner, 0) @ w["two.weight"].T + w["two.bias"]
        return found

    def save(self) -> Saved:
        settings = {"layers": self.layers, "heads": self.heads, "length": self.length}
        return settings, {"track": self.track, **self.weights}


def _normed(x: Array, weight: Array, bias: Array) -> Array:
    middle = x - x.mean(axis=1, keepdims=True)
    found: Array = middle / np.sqrt((middle**2).mean(axis=1, keepdims=True) + np.float32(EPS)) * weight + bias
    return found
