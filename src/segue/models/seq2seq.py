"""Encoder and decoder: what was heard becomes a state, and the asked plays are read from that state on, in their order.

Heard, p1 → p2 → p3 → the state s. Asked, s → q4 → q5 → q6 where targets see each other, and beside it s → q6 → q5 → q4; where
each stands alone, s → q4: one step from the state after what it sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from segue.models.layers import after, asked_inputs, dense, moodless, recurrent, turned
from segue.models.model import within
from segue.models.network import Network


@dataclass(frozen=True)
class Seq2Seq(Network):
    """Gated recurrent units: what they put out is their whole state, so that it can be taken after any play.

    Of several layers, each decoding one starts from the state of the encoding one beside it.
    """

    layers: int = 1

    sentence: ClassVar[str] = "encoder over the plays heard, decoder over the asked ones"

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, layers=(1, 16))

    def network(self, sizes: Mapping[str, int]) -> Any:
        import torch
        from torch import nn

        width, n_layers, dropout, together = self.hidden_size, self.layers, self.dropout, bool(sizes["together"])
        decoded = width * (2 if together else 1)
        heard_size, asked_size = sizes["shared"] + sizes["told"], sizes["shared"] + 2

        def decoders() -> Any:
            return nn.ModuleList(
                nn.GRU(asked_size if k == 0 else decoded, width, batch_first=True) for k in range(n_layers)
            )

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.encoders = nn.ModuleList(
                    recurrent("gru", heard_size if k == 0 else width, width) for k in range(n_layers)
                )
                self.there = decoders()
                self.back = decoders() if together else None
                self.drop = nn.Dropout(dropout)
                self.head = dense(decoded, width, 1, dropout=dropout)

            def forward(
                self, past_shared: Any, past_told: Any, queue_shared: Any, own: Any, past_track: Any, queue_track: Any,
                sees: Any, position: Any, ahead: Any, n: Any,
            ) -> Any:  # fmt: skip
                heard = torch.cat([past_shared, past_told], -1)
                asked = asked_inputs(queue_shared, position, ahead)
                if not together:  # (R Q, 1, D): each asked play is a sequence of its own
                    asked = asked.reshape(-1, 1, asked_size)
                n_asked = (sees >= 0).sum(1)
                for k, encoder in enumerate(self.encoders):
                    heard = self.drop(encoder(heard, n))
                    start = after(heard, n[:, None] if together else sees).reshape(1, -1, width)
                    told, _ = self.there[k](asked, start)
                    if self.back is not None:
                        back, _ = self.back[k](turned(asked, n_asked), start)
                        told = torch.cat([told, turned(back, n_asked)], -1)
                    asked = self.drop(told)
                return moodless(self.head(asked.reshape(sees.shape[0], sees.shape[1], decoded))[..., 0])

        return Net()
