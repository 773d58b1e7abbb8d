"""Latent tastes and tempers: every track has a log-odds of a skip in each of K tastes, and every play heard is evidence.

    plays heard     p1 kept    p2 skipped    p3 kept           asked    q4    q5
    weights         w0         w1            w2                         w3    w3, a turn further on
                    w1(k, j) ~ turned(w0)(k, j) x P(p1 kept | k, j)

A listener has one of K tastes for a whole session, and one of J tempers, which may turn between two plays; log-odds of a skip are
those of the taste for the track, and the temper's. The weights are what is known of both after the plays heard: an input-output
hidden Markov model (Bengio & Frasconi 1995) whose emissions a network makes of tracks, filtered exactly. So what tells a
listener's taste from a few plays is not left to attention to find out; attention reads all of it, and is free to make more of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNLIKELY = 1e-4  # a chance of a skip that tastes alone give at least, and at most its complement: no loss runs away
LONGEST = 64  # plays back that are evidence: a row has no more
OFTEN = 8  # plays, whose product is brought back to size: at 64 of them it is still far from too small
SMALLEST = 1e-37  # that a float32 holds well
MOST = 15.0  # a log-odds of a track, at most
FAR = 2 * MOST  # where no log-odds comes to


def by_tastes(width: int, n_tastes: int, n_tempers: int, sizes: Mapping[str, int]) -> Any:
    """forward (heard (R, T, width), asked (R, Q, width), told (R, T, B), n, sees, ahead) → heard, asked, more.

    heard, asked : the same, with what tastes tell of them added
    more : what `missed` takes: the log of the chance of what was heard (R, T), 1 skipped, -1 kept, 0 unknown (R, T), and
        the chance of a skip of what is asked (R, Q)
    """
    import torch
    from torch import nn
    from torch.nn.functional import softplus

    class ByTastes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.skips = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, n_tastes))
            self.temper = nn.Parameter(torch.linspace(-1, 1, n_tempers) if n_tempers > 1 else torch.zeros(1))
            self.lasts = nn.Parameter(torch.tensor(2.0))  # log-odds that a temper lasts from one play to the next
            self.taste_share = nn.Parameter(torch.zeros(n_tastes))
            self.temper_share = nn.Parameter(torch.zeros(n_tempers))
            self.cuts = nn.Parameter(torch.ones(2))
            self.tell = nn.Linear(2 * n_tastes + n_tempers + 2, width)

        def forward(self, heard: Any, asked: Any, told: Any, n: Any, sees: Any, ahead: Any) -> Any:
            of_heard, of_asked = self.odds(heard), self.odds(asked)  # (R, T, K, J)
            chance, skipped = self.evidence(of_heard, told, n)
            after = self.filtered(chance)  # (R, T + 1, K, J)
            before = self.turned(after[:, :-1], torch.ones_like(skipped))
            at = sees.clamp(min=0)[..., None, None].expand(-1, -1, n_tastes, n_tempers)
            there = self.turned(torch.gather(after, 1, at), ahead.float())
            expected = torch.log((before * torch.exp(chance)).sum((-1, -2)).clamp(min=UNLIKELY**2))
            told_heard, _ = self.said(before, of_heard, skipped)
            told_asked, p = self.said(there, of_asked, torch.zeros_like(ahead).float())
            return (
                heard + self.tell(told_heard.to(heard.dtype)),
                asked + self.tell(told_asked.to(asked.dtype)),
                (expected, skipped, p),
            )

        def odds(self, track: Any) -> Any:
            return self.skips(track).float().clamp(-MOST, MOST)[..., None] + self.temper

        def evidence(self, odds: Any, told: Any, n: Any) -> Any:
            """Log of the chance of each play's end, as finely as it is told, (R, T, K, J).

            And (R, T) whether it was skipped: 1, -1 if not, 0 unknown.
            """
            there = (torch.arange(told.shape[1], device=told.device)[None] < n[:, None]).float()
            skipped = column(told, "skipped") * there
            first, third = column(told, "skip_1"), column(told, "skip_3")
            low, high = softplus(self.cuts).clamp(min=0.01).unbind()  # apart: no end is impossible
            zero, far = torch.zeros_like(skipped), torch.full_like(skipped, FAR)
            # ends lie between two cuts: very briefly | briefly | mostly | wholly; where only a skip is told, two are one
            top = torch.where(
                skipped > 0, torch.where(first > 0, zero - low, zero), torch.where(third > 0, zero + high, far)
            )
            bottom = torch.where(
                skipped > 0, torch.where(first < 0, zero - low, -far), torch.where(third < 0, zero + high, zero)
            )
            gap = torch.log(1 - torch.exp(bottom - top))
            top, bottom = top[..., None, None], bottom[..., None, None]
            # logs of sigmoids, as softplus: onnxruntime's sigmoid is coarse where it is small
            chance = gap[..., None, None] - softplus(-odds - top) - softplus(odds + bottom)
            return chance * skipped.abs()[..., None, None], skipped

        def filtered(self, chance: Any) -> Any:
            """Chances (R, T + 1, K, J) of taste and temper after 0, 1, … T plays: products of matrices, in log2(T) steps."""
            share, lasts = torch.softmax(self.temper_share, -1), torch.sigmoid(self.lasts)
            same = torch.eye(n_tempers, device=chance.device)
            turn = lasts * same + (1 - lasts) * share
            most = chance.detach().amax(-1)  # what is taken out of a product is added to its log: no gradient is lost
            product = turn * torch.exp(chance - most[..., None])[..., None, :]  # (R, T, K, J, J)
            nothing, none = chance[:, :1, :, :1, None] * 0 + same, chance[:, :1, :, 0] * 0
            taken, small = torch.cumsum(most, 1), none
            taken = taken - torch.cat([none.expand(-1, LONGEST, -1), taken], 1)[:, :-LONGEST]
            apart, longest = 1, LONGEST if torch.onnx.is_in_onnx_export() else min(LONGEST, chance.shape[1])
            while apart < longest:
                earlier = torch.cat([nothing.expand(-1, apart, -1, -1, -1), product], 1)[:, :-apart]
                product = sum(earlier[..., m : m + 1] * product[..., m : m + 1, :] for m in range(n_tempers))
                if apart >= OFTEN:
                    small = torch.cat([none.expand(-1, apart, -1), small], 1)[:, :-apart] + small
                apart *= 2
                if apart == OFTEN:  # before a product of so many is too small a number
                    most = product.detach().amax((-1, -2)).clamp(min=SMALLEST)
                    product, small = product / most[..., None, None], torch.log(most)
            weight = (share[:, None] * product).sum(-2)
            log = torch.log(weight.clamp(min=SMALLEST)) + (taken + small)[..., None]
            first = torch.log(share) + none[..., None]
            log = torch.cat([first, log], 1) + self.taste_share[:, None]
            return torch.softmax(log.flatten(2), -1).view(log.shape)

        def turned(self, weight: Any, steps: Any) -> Any:
            lasts = torch.exp(-softplus(-self.lasts) * steps)[..., None, None]
            return lasts * weight + (1 - lasts) * torch.softmax(self.temper_share, -1) * weight.sum(-1, keepdim=True)

        def said(self, weight: Any, odds: Any, skipped: Any) -> Any:
            """What attention is told, log-odds brought to the size of chances; and the chance of a skip."""
            p = (weight * torch.sigmoid(odds)).sum((-1, -2)).clamp(UNLIKELY, 1 - UNLIKELY)
            off = ((skipped > 0).float() - p) * skipped.abs()
            mean = torch.log(p) - torch.log(1 - p)
            return torch.cat(
                [weight.sum(-1), odds.mean(-1) / 4, weight.sum(-2), mean[..., None] / 2, off[..., None]], -1
            ), p

        def missed(self, expected: Any, skipped: Any, p: Any, label: Any) -> Any:
            """Mean log-loss of what tastes alone say of plays heard and asked."""
            asked = torch.log(torch.where(label > 0.5, p, 1 - p)) * (label >= 0)
            return -(expected.sum() + asked.sum()) / (skipped.abs().sum() + (label >= 0).sum()).clamp(min=1)

    def column(told: Any, name: str) -> Any:
        """1 where it holds, -1 where it does not, 0 where that is not known."""
        return torch.sign(told[..., sizes[name]]) if sizes[name] >= 0 else torch.zeros_like(told[..., 0])

    return ByTastes()
