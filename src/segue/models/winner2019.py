"""The winner of the WSDM Cup 2019, rebuilt from its published description: our own code, measured as a peer.

Zhu & Chen, "Session-based Sequential Skip Prediction via Recurrent Neural Networks", WSDM Cup 2019 (arXiv 1902.04743): single
network MAA .648, six together .651, one network 92.5 h on a GPU.

    heard   p1 p2 p3     GRU 350 → GRU 350 → s
    asked   q4 q5 q6     dense 350 → t;  x = t, s, s ⊙ t  →  four BiGRUs, each reading x and all BiGRUs before it  →  12 answers

Published: two layers of GRU-350; product and concatenation of their last state with each asked track; four bidirectional GRU
layers with dense skip connections; eleven targets beside the skip; track vectors 150 wide from co-listening; training also on
sessions split up to two plays earlier and later; about 19 M weights.

Ours to guess: the width of the four layers (316, which reaches those 19 M), ReLU where an asked track becomes as wide as the
state, the last dense layers, the weight of the eleven targets (together as much as the skip), dropout, the learning rate and
its fall, sessions per step, the log-loss, and that unknown targets count for nothing. Vectors come from a factorisation
(`segue.models.colistening`) in place of GloVe, and one setting more is answered: where targets do not see each other, each is a
sequence of one. The histories that a setting grants are read too; the winner had none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from segue.batch import Array
from segue.models.colistening import settle
from segue.models.layers import after, asked_inputs, moodless, recurrent
from segue.models.model import within
from segue.models.network import Network

SIDE = ("skip_1", "skip_3", "not_skipped", "context_switch", "no_pause", "short_pause", "long_pause", "n_seeks_forward",
        "n_seeks_back", "shuffle", "premium")  # fmt: skip


@dataclass(frozen=True)
class Winner2019(Network):
    """`hidden_size` is the width of the encoder, `decoder_size` of each way of a decoding layer."""

    hidden_size: int = 350
    decoder_size: int = 316
    vectors: int = 150  # width of the co-listening vectors of tracks; 0: none
    n_tracks: int = 200_000
    batch_size: int = 64  # on small libraries, 256 leaves it too few steps
    learning_rate: float = 1e-3
    optimizer: str = "adam"
    auxiliary: float = 0.5
    jitter: int = 2

    sentence: ClassVar[str] = "GRU over heard, four BiGRUs over asked plays: our rebuilding of the 2019 winner"

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, decoder_size=(1, 4096), vectors=(0, 512))

    def prepared(self, net: Any, inputs: Mapping[str, Array]) -> None:
        """Co-listening vectors of the vocabulary, from training sessions alone; they stay as they are."""
        settle(net.vectors, inputs, self.seed)

    def network(self, sizes: Mapping[str, int]) -> Any:
        import torch
        from torch import nn

        width, step, dropout, together = self.hidden_size, self.decoder_size, self.dropout, bool(sizes["together"])
        n_vectors = self.vectors if sizes["tracks"] else 0
        track_size = sizes["shared"] + n_vectors
        joined = [3 * width + 2 * step * k for k in range(5)]  # what each layer reads, and at last the head

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.vectors = nn.Embedding(sizes["tracks"] + 1, n_vectors) if n_vectors else None
                if self.vectors is not None:
                    self.vectors.weight.requires_grad_(False)
                self.first = recurrent("gru", track_size + sizes["told"], width)
                self.second = recurrent("gru", width, width)
                self.asked = nn.Sequential(nn.Linear(track_size + 2, width), nn.ReLU())
                self.decoders = nn.ModuleList(recurrent("gru", wide, step, both_ways=True) for wide in joined[:4])
                self.drop = nn.Dropout(dropout)
                self.head = nn.Linear(joined[4], 1)
                self.side = nn.Linear(joined[4], len(SIDE))

            def with_vectors(self, shared: Any, track: Any) -> Any:
                return shared if self.vectors is None else torch.cat([shared, self.vectors(track)], -1)

            def forward(
                self, past_shared: Any, past_told: Any, queue_shared: Any, own: Any, past_track: Any, queue_track: Any,
                sees: Any, position: Any, ahead: Any, n: Any,
            ) -> Any:  # fmt: skip
                heard = torch.cat([self.with_vectors(past_shared, past_track), past_told], -1)
                state = after(self.second(self.drop(self.first(heard, n)), n), sees)
                track = self.asked(asked_inputs(self.with_vectors(queue_shared, queue_track), position, ahead))
                x = torch.cat([track, state, state * track], -1)
                n_asked = (sees >= 0).sum(1)
                if not together:  # (R Q, 1, D): each asked play is a sequence of its own
                    x, n_asked = x.reshape(-1, 1, joined[0]), torch.ones_like(sees).reshape(-1)
                for decoder in self.decoders:
                    x = torch.cat([x, self.drop(decoder(x, n_asked))], -1)
                x = x.reshape(sees.shape[0], sees.shape[1], joined[4])
                return *moodless(self.head(x)[..., 0]), self.side(x)

            def also(self, side: Any, moods: Any, label: Any, also: Mapping[str, Any]) -> Any:
                """Log-loss of the eleven, each over the plays that say it; seeks are a matter of whether, not how many."""
                losses = []
                for k, name in enumerate(SIDE):
                    if name in also:
                        known = (also[name] >= 0).float()
                        each = nn.functional.binary_cross_entropy_with_logits(
                            side[..., k].float(), (also[name] > 0).float(), reduction="none"
                        )
                        losses.append((each * known).sum() / known.sum().clamp(min=1))
                return torch.stack(losses).mean() if losses else side.float().sum() * 0

        return Net()
