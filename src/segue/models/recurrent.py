"""The recurrent networks that people expect: what was heard, play by play, then each asked play beside the last state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from segue.models.layers import after, asked_inputs, dense, moodless, recurrent
from segue.models.model import within
from segue.models.network import Network


@dataclass(frozen=True)
class Lstm(Network):
    """One layer, forwards."""

    layers: int = 1

    kind: ClassVar[str] = "lstm"
    both_ways: ClassVar[bool] = False
    sentence: ClassVar[str] = "LSTM over the plays heard"

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, layers=(1, 16))

    def network(self, sizes: Mapping[str, int]) -> Any:
        import torch
        from torch import nn

        width = self.hidden_size * (2 if self.both_ways else 1)
        inputs = sizes["shared"] + sizes["told"]
        stack = [recurrent(self.kind, inputs if k == 0 else width, self.hidden_size, both_ways=self.both_ways)
                 for k in range(self.layers)]  # fmt: skip
        dropout = self.dropout

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.stack = nn.ModuleList(stack)
                self.drop = nn.Dropout(dropout)
                self.head = dense(width + sizes["shared"] + 2, width, 1, dropout=dropout)

            def forward(
                self, past_shared: Any, past_told: Any, queue_shared: Any, own: Any, past_track: Any, queue_track: Any,
                sees: Any, position: Any, ahead: Any, n: Any,
            ) -> Any:  # fmt: skip
                heard = torch.cat([past_shared, past_told], -1)
                for layer in self.stack:
                    heard = self.drop(layer(heard, n))
                asked = asked_inputs(queue_shared, position, ahead)
                return moodless(self.head(torch.cat([after(heard, sees), asked], -1))[..., 0])

        return Net()


@dataclass(frozen=True)
class Gru(Lstm):
    """The same with gated recurrent units."""

    kind: ClassVar[str] = "gru"
    sentence: ClassVar[str] = "GRU over the plays heard"


@dataclass(frozen=True)
class BiLstm(Lstm):
    """Both ways over what was heard: every moment is read anew."""

    both_ways: ClassVar[bool] = True
    causal: ClassVar[bool] = False
    sentence: ClassVar[str] = "LSTM both ways over the plays heard"


@dataclass(frozen=True)
class LayeredLstm(Lstm):
    """Three layers."""

    layers: int = 3
    dropout: float = 0.2

    sentence: ClassVar[str] = "three layers of LSTM over the plays heard"
