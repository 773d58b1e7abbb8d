"""Our network: every asked play looks at all plays that it may see, how those ended, and what that tells of tastes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from segue.batch import Array
from segue.models.colistening import settle
from segue.models.course import levels_of
from segue.models.latent import by_tastes
from segue.models.layers import FAR, attending
from segue.models.model import within
from segue.models.network import Network


@dataclass(frozen=True)
class Attention(Network):
    """Blocks of attention over heard and asked plays, one head that ranks the four ways in which a play can end."""

    hidden_size: int = 96
    layers: int = 3
    heads: int = 6
    moods: int = 12  # product distributions that the answer is a mixture of; 1: plays are independent
    tastes: int = 24  # latent tastes that heard plays are evidence for; 0: none
    tempers: int = 2  # between which a listener turns within a session; 1: none turns
    vectors: int = 32  # width of the co-listening vectors of tracks; 0: none
    own_features: bool = True  # the asked plays' own features at the head
    own_dropout: float = 0.5  # of sessions trained without them, so that the plays themselves are learned from, too
    n_tracks: int = 200_000
    patience: int = 5  # every other epoch is of other moments: one epoch alone says little
    auxiliary: float = 0.3  # weight of the four levels, and of what tastes alone expect, beside skipped or not
    average: float = 0.995
    jitter: int = 2

    features: ClassVar[bool] = True
    sentence: ClassVar[str] = (
        "attention over heard and asked plays, with latent tastes, moods and levels of skips (ours)"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        within(
            self,
            layers=(0, 24),
            heads=(1, 64),
            moods=(1, 64),
            tastes=(0, 256),
            tempers=(1, 8),
            vectors=(0, 512),
            own_dropout=(0, 1),
            hidden_size=(self.heads, 4096),
        )

    def prepared(self, net: Any, inputs: Mapping[str, Array]) -> None:
        """Co-listening vectors of the vocabulary, from training sessions alone."""
        settle(net.vectors, inputs, self.seed)

    def network(self, sizes: Mapping[str, int]) -> Any:
        import torch
        from torch import nn

        width, n_heads = self.hidden_size - self.hidden_size % self.heads, self.heads
        n_vectors = self.vectors if sizes["tracks"] else 0
        own, together = self.own_features and sizes["own"] > 0, bool(sizes["together"])
        settings = self

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.vectors = nn.Embedding(sizes["tracks"] + 1, n_vectors) if n_vectors else None
                if self.vectors is not None:
                    self.vectors.weight.requires_grad_(False)
                self.track = nn.Sequential(nn.Linear(sizes["shared"] + n_vectors, 2 * width), nn.GELU(),
                                           nn.Linear(2 * width, width))  # fmt: skip
                self.told = nn.Linear(max(1, sizes["told"]), width)
                self.tastes = by_tastes(width, settings.tastes, settings.tempers, sizes) if settings.tastes else None
                self.asked = nn.Linear(2, width)
                self.place = nn.Embedding(64, width)
                nn.init.normal_(self.place.weight, std=0.02)
                self.blocks = nn.ModuleList(
                    [attending(width, n_heads, settings.dropout) for _ in range(settings.layers)]
                )
                self.last = nn.LayerNorm(width)
                self.own = nn.Linear(sizes["own"], width) if own else None
                self.head = nn.Sequential(nn.Linear(width * (2 if own else 1), 2 * width), nn.GELU(),
                                          nn.Dropout(settings.dropout), nn.Linear(2 * width, 4 * settings.moods))  # fmt: skip
                self.mood = nn.Linear(width, settings.moods)

            def of_track(self, shared: Any, track: Any) -> Any:
                return self.track(shared if self.vectors is None else torch.cat([shared, self.vectors(track)], -1))

            def forward(
                self, past_shared: Any, past_told: Any, queue_shared: Any, own: Any, past_track: Any, queue_track: Any,
                sees: Any, position: Any, ahead: Any, n: Any,
            ) -> Any:  # fmt: skip
                device, n_past = sees.device, past_shared.shape[1]
                at = torch.arange(n_past, device=device)[None]
                heard, asked = self.of_track(past_shared, past_track), self.of_track(queue_shared, queue_track)
                early = None
                if self.tastes is not None:
                    heard, asked, early = self.tastes(heard, asked, past_told, n, sees, ahead)
                heard = heard + self.told(past_told)
                asking = torch.stack([torch.ones_like(position), torch.log1p(position.float()) / 3], -1)
                asked = asked + self.asked(asking.to(heard.dtype))
                there = sees + ahead - 1  # where a target stands, counted from its row's first play
                place = torch.cat([at.expand(sees.shape[0], -1), there.clamp(min=0)], 1)
                x = torch.cat([heard, asked], 1) + self.place(place.clamp(max=63))
                apart = (place[:, None, :] - place[:, :, None]).clamp(-FAR, FAR) + FAR
                mask = self.who_sees_whom(sees, n, at)
                for block in self.blocks:
                    x = block(x, mask, apart)
                x = self.last(x)
                targets = x[:, n_past:]
                if self.own is not None:
                    features = self.own(own)
                    if self.training and settings.own_dropout:
                        kept = torch.rand(len(features), 1, 1, device=device) >= settings.own_dropout
                        features = features * kept.to(features.dtype)
                    targets = torch.cat([targets, features], -1)
                levels = self.head(targets).view(targets.shape[0], targets.shape[1], settings.moods, 4)
                if not together:  # the moods of several moments are not one
                    levels = levels[:, :, :1]
                log_odds = torch.logsumexp(levels[..., :2], -1) - torch.logsumexp(levels[..., 2:], -1)
                if not together:
                    return log_odds, log_odds[:, 0] * 0, (levels, early)
                there = torch.cat([(at < n[:, None]), sees >= 0], 1)[..., None].to(x.dtype)
                session = (x * there).sum(1) / there.sum(1).clamp(min=1)
                return log_odds, torch.log_softmax(self.mood(session), -1), (levels, early)

            def who_sees_whom(self, sees: Any, n: Any, at: Any) -> Any:
                """(R, L, L): the plays heard before, all of them where targets see each other; for a target, what `sees` says."""
                rows, n_asked, n_past = sees.shape[0], sees.shape[1], at.shape[1]
                heard = (at < n[:, None])[:, None, :].expand(-1, n_past, -1)
                asked = (sees >= 0)[:, None, :]
                target = at[:, None, :] < sees[..., None]
                if together:
                    above = torch.cat([heard, asked.expand(-1, n_past, -1)], 2)
                    below = torch.cat([target, asked.expand(-1, n_asked, -1)], 2)
                else:
                    earlier = (at.transpose(0, 1) >= at)[None]
                    itself = torch.arange(n_asked, device=sees.device)
                    itself = (itself[:, None] == itself[None])[None].expand(rows, -1, -1)
                    above = torch.cat([heard & earlier, torch.zeros_like(heard[:, :, :1]).expand(-1, -1, n_asked)], 2)
                    below = torch.cat([target, itself], 2)
                return torch.cat([above, below], 1)

            def also(self, more: Any, moods: Any, label: Any, also: Any) -> Any:
                """How well the four levels are told, moods together; and how well tastes alone tell heard and asked plays."""
                levels, early = more
                level = levels_of(label, also)
                said = torch.log_softmax(levels.float(), -1)
                at = level.clamp(min=0)[..., None, None].expand(-1, -1, levels.shape[2], 1)
                each = torch.gather(said, -1, at)[..., 0] * (level >= 0)[..., None]
                missed = -torch.logsumexp(moods.float() + each.sum(1), -1).sum() / (level >= 0).sum().clamp(min=1)
                return missed if self.tastes is None else missed + self.tastes.missed(*early, label)

        return Net()
