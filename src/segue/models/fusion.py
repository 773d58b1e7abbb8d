"""Four inputs, each with a network of its own, then joined; and its control, which reads the skips before and nothing else.

    previous behaviour   all that a heard play tells        two layers of LSTM, 128 each   ┐
    previous tracks      what was played                    two layers of LSTM, 264 each   ├→ joined → 64 → log-odds
    previous skips       −1 kept, 1 skipped, 0 not said     two layers of LSTM, 128 each   │
    the asked track      and how far ahead it is            two dense layers of 64         ┘

The published sizes, "two LSTM layers of 128, 264, 128", can be read as one stack of three or as three stacks of two. Read here
as the second, since there are three sequences. The dense layer of 64 after the join is ours. Padding is no play kept: every
sequence has a column that is 1 where there is a play, and states are taken after the last play that a target sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from segue.models.layers import after, asked_inputs, dense, moodless, recurrent
from segue.models.model import within
from segue.models.network import Network

SKIPS = 2  # columns of a sequence of skips


def skips_of(past_told: Any, there: Any, column: int) -> Any:
    """The sequence of skips (R, T, 2): how each play ended, and whether there is a play.

        a play skipped  1 1      kept  −1 1      not said  0 1      padding  0 0

    `column` of what heard plays tell is "skipped", scaled: above its mean, which is 0, only where the play was skipped.
    It is -1 where plays never tell, or all tell the same.
    """  # fmt: skip
    import torch

    value = torch.sign(past_told[..., column]) * there if column >= 0 else torch.zeros_like(there)
    return torch.stack([value, there], -1)


def there_of(n: Any, past: Any) -> Any:
    """1 where a row (R, T) has a play, else 0."""
    import torch

    return (torch.arange(past.shape[1], device=past.device)[None] < n[:, None]).to(past.dtype)


def stacked_lstm(size: int, hidden: int, layers: int, dropout: float) -> Any:
    """Layers of LSTM with dropout after each: forward (x (R, L, size), n (R,)) → (R, L, hidden)."""
    from torch import nn

    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(recurrent("lstm", size if k == 0 else hidden, hidden) for k in range(layers))
            self.drop = nn.Dropout(dropout)

        def forward(self, x: Any, n: Any) -> Any:
            for layer in self.layers:
                x = self.drop(layer(x, n))
            return x

    return Stack()


@dataclass(frozen=True)
class Fusion(Network):
    """`hidden_size` is the width over behaviour and over skips."""

    hidden_size: int = 128
    tracks_size: int = 264
    dense_size: int = 64
    layers: int = 2  # of each LSTM
    dropout: float = 0.4
    learning_rate: float = 1e-3
    optimizer: str = "adam"

    sentence: ClassVar[str] = "LSTMs over behaviour, tracks and skips before, joined with the asked track"

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, tracks_size=(1, 4096), dense_size=(1, 4096), layers=(1, 16))

    def network(self, sizes: Mapping[str, int]) -> Any:
        import torch
        from torch import nn

        settings, column = self, sizes["skipped"]

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                layers, dropout = settings.layers, settings.dropout
                hidden, tracks, narrow = settings.hidden_size, settings.tracks_size, settings.dense_size
                self.behaviour = stacked_lstm(sizes["told"] + 1, hidden, layers, dropout)
                self.tracks = stacked_lstm(sizes["shared"] + 1, tracks, layers, dropout)
                self.skips = stacked_lstm(SKIPS, hidden, layers, dropout)
                self.asked = nn.Sequential(dense(sizes["shared"] + 2, narrow, narrow, dropout=dropout),
                                           nn.ReLU(), nn.Dropout(dropout))  # fmt: skip
                self.head = dense(2 * hidden + tracks + narrow, narrow, 1, dropout=dropout)

            def forward(
                self, past_shared: Any, past_told: Any, queue_shared: Any, own: Any, past_track: Any, queue_track: Any,
                sees: Any, position: Any, ahead: Any, n: Any,
            ) -> Any:  # fmt: skip
                there = there_of(n, past_shared)
                behaviour = self.behaviour(torch.cat([past_told, there[..., None]], -1), n)
                tracks = self.tracks(torch.cat([past_shared, there[..., None]], -1), n)
                skips = self.skips(skips_of(past_told, there, column), n)
                asked = self.asked(asked_inputs(queue_shared, position, ahead))
                before = [after(states, sees) for states in (behaviour, tracks, skips)]
                return moodless(self.head(torch.cat([*before, asked], -1))[..., 0])

        return Net()


@dataclass(frozen=True)
class OneInputLstm(Network):
    """The published one-input network, trained as `Fusion` is. All targets that see the same plays get the same answer."""

    hidden_size: int = 128
    layers: int = 2
    dropout: float = 0.4
    learning_rate: float = 1e-3
    optimizer: str = "adam"

    sentence: ClassVar[str] = "LSTM over the skips before, and nothing else"

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, layers=(1, 16))

    def network(self, sizes: Mapping[str, int]) -> Any:
        from torch import nn

        settings, column = self, sizes["skipped"]

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.skips = stacked_lstm(SKIPS, settings.hidden_size, settings.layers, settings.dropout)
                self.head = nn.Linear(settings.hidden_size, 1)

            def forward(
                self, past_shared: Any, past_told: Any, queue_shared: Any, own: Any, past_track: Any, queue_track: Any,
                sees: Any, position: Any, ahead: Any, n: Any,
            ) -> Any:  # fmt: skip
                skips = self.skips(skips_of(past_told, there_of(n, past_told), column), n)
                return moodless(self.head(after(skips, sees))[..., 0])

        return Net()
