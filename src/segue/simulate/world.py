"""What a world is: listeners with tastes and levels, a mood that moves, tracks that come in runs, plays and departures.

Three emitters share one hidden state: which track comes, whether it is skipped (and how early), and when the listener
leaves. Hidden and fixed within a session: a taste and a level. Hidden and moving: a mood. Remembered: how the last plays
ended. A world may do without some of them: one mood is no mood, an echo of no plays is no memory.

    logit of a skip = level + taste x group + mood + echo of the last outcomes        hidden, or known from the past
                    + place + context + hour + paid + how known + how loud            what anyone sees
                    + quality of the track                                            hidden, shared by all sessions

All are whole 64ths, so a probability is one place of a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from segue.simulate.catalogue import UNIT, Catalogue
from segue.simulate.draws import Floats, Ints

REACH = 1536  # logits are clipped to ±REACH/UNIT = ±24
N_CLASSES = 4  # how a play ended: 0 played very briefly, 1 briefly (both are skips), 2 mostly, 3 to its end
PAUSES = ("none", "short", "long")
PARTS = 4  # of the day: night, morning, afternoon, evening


class Kept(NamedTuple):
    """Which sessions a data set keeps: those of `shortest` plays or more, cut at `longest`."""

    shortest: int
    longest: int


MSSD = Kept(10, 20)  # the Music Streaming Sessions Dataset


@dataclass(frozen=True, eq=False)
class World:
    """Constants of a world, frozen once models are measured on it. K tastes, L levels, M moods, G groups."""

    name: str
    version: int
    sentence: str
    catalogue: Catalogue
    taste_share: Floats  # (K,)
    level_share: Floats  # (L,)
    loyal_taste: float  # chance that a session has its listener's own taste, else anyone's
    loyal_level: float
    level: Ints  # (L,)
    taste: Ints  # (K, G)
    mood: Ints  # (M,)
    turn: Floats  # (M, M) from this play's mood to the next one's
    echo_same: Ints  # (P,) weight of the last, second last … outcome if its track was of this play's group
    echo_other: Ints  # (P,) and if it was not
    place: Ints  # (20,) by position; the last one for all later ones
    context: Ints  # (6,) by the context that the session opened in
    hour: Ints  # (24,) by the hour it opened in
    paid: Ints  # (2,)
    known: Ints  # (n,) by octave of popularity rank
    loud: Ints  # (PARTS, 3) by part of the day and how energetic the artist is
    leaving: Ints  # () added to the logit of the play in which the listener leaves
    cuts: Ints  # (2,) a play ends very briefly at logit - cuts[0], is not played to its end at logit + cuts[1]
    group_share: Floats  # (K, G) which group a taste turns to
    stay: Floats  # (2,) chance that the next track is of the same group, by shuffle
    same_artist: float  # and then of the same artist
    leave: Floats  # (60, L, M) chance to leave in a play; the last row for all later ones
    premium: Floats  # (L,) by the listener's own level
    shuffle: Floats  # (L,)
    opens: Floats  # (L, 6) context the session opens in
    switches: Floats  # (M,) chance that the context changes before a play
    contexts: Floats  # (6,) into which
    pause: Floats  # (M, 3) before a play
    reason: Floats  # (4, M, n) what ends a play, by how it ended; names in REASONS
    last_reason: Floats  # (4, n) what ends the play in which the listener leaves
    seeks: Floats  # (2, 4, M) chance of seeking forward, and back

    @property
    def shape(self) -> tuple[int, int, int]:
        """Levels and tastes together (C = K·L), moods M, remembered outcomes 2^P."""
        return len(self.taste_share) * len(self.level_share), len(self.mood), 1 << len(self.echo_same)

    @cached_property
    def fixed(self) -> tuple[Ints, Ints]:
        """(C,) the taste and the level of each hidden and fixed state."""
        k, n = np.divmod(np.arange(self.shape[0]), len(self.level_share))
        return k, n

    @cached_property
    def prior(self) -> Floats:
        """(C,) chance of each fixed state when a session opens."""
        taste, level = self.fixed
        share: Floats = self.taste_share[taste] * self.level_share[level]
        return share

    @cached_property
    def opening_mood(self) -> Floats:
        """(M,) the mood's long-run shares."""
        values, vectors = np.linalg.eig(self.turn.T)
        lasting = np.abs(np.real(vectors[:, np.argmax(np.real(values))]))
        share: Floats = lasting / lasting.sum()
        return share

    @cached_property
    def premium_of_level(self) -> Floats:
        """(L,) chance of a paid account by the *session's* level: an account belongs to a listener."""
        everyone = float(self.level_share @ self.premium)
        share: Floats = self.loyal_level * self.premium + (1 - self.loyal_level) * everyone
        return share

    @cached_property
    def outcome(self) -> Floats:
        """(2·REACH + 1, 4) chance of each way to end, by logit + REACH, where the track's quality is known."""
        return _outcomes(np.arange(-REACH, REACH + 1), self.cuts)

    @cached_property
    def outcome_of_anyone(self) -> Floats:
        """The same where the track's quality is not known: averaged over what it may be."""
        values, share = self.catalogue.quality_steps
        logits = np.arange(-REACH, REACH + 1)
        found = np.zeros((len(logits), N_CLASSES))
        for value, weight in zip(values, share, strict=True):
            found += weight * self.outcome[np.clip(logits + value, -REACH, REACH) + REACH]
        return found

    def leaves(self, t: int) -> Floats:
        """(L, M) chance to leave in play t, counted from 0."""
        chance: Floats = self.leave[min(t, len(self.leave) - 1)]
        return chance

    def stays(self, kept: Kept) -> list[Floats]:
        """For each play, (L, M): the chance to be kept, that is from this play on not to leave before the shortest length."""
        alive = [np.ones((len(self.level), len(self.mood)))] * (kept.longest + 1)
        for t in range(kept.shortest - 2, -1, -1):
            alive[t] = (1 - self.leaves(t)) * (alive[t + 1] @ self.turn.T)
        return alive

    def seen(self, *, premium: Ints, context: Ints, hour: Ints) -> Ints:
        """(S,) what anyone sees of a session that moves its logits."""
        found: Ints = self.paid[premium] + self.context[context] + self.hour[hour]
        return found

    def heard(self, track: Ints, hour: Ints) -> Ints:
        """What anyone sees of a track that moves its logit, at an hour of the day (track's shape)."""
        c = self.catalogue
        rank = np.minimum(c.rank[track], len(self.known) - 1)
        found: Ints = self.known[rank] + self.loud[hour * PARTS // 24, c.loudness_class[c.artist[track]]]
        return found


def _outcomes(logits: Ints, cuts: Ints) -> Floats:
    def below(x: Ints) -> Floats:
        share: Floats = 1 / (1 + np.exp(-x / UNIT))
        return share

    very, briefly, mostly = below(logits - cuts[0]), below(logits), below(logits + cuts[1])
    return np.stack([very, briefly - very, mostly - briefly, 1 - mostly], axis=1)
