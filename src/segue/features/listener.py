"""How this listener listened before this session: in the last plays, and on earlier days."""

from segue.features.feature import Feature, feature
from segue.features.tree import where
from segue.features.words import fading


@feature("share", "Exponentially weighted skip rate of this listener's plays before this session")
def skip_rate_before(history):
    return history.recent.decayed("skipped")


def _across(keep: float) -> Feature:
    """One exponentially weighted rate that runs on from session to session: older sessions fade by this one's length."""

    @feature(
        "share",
        f"Exponentially weighted skip rate across sessions, fading by {keep} a play",
        name=f"skip_rate_across_{round(keep * 100)}",
    )
    def skip_rate_across(past, history):
        recent, faded = history.recent, fading(past.count(), keep)
        here, before = fading(past["age"], keep), fading(recent["age"], keep)
        skips = 65536 * past.sum(past["skipped"] * here) + faded * recent.sum(recent["skipped"] * before)
        plays = 65536 * past.sum(where(past["skipped"] == past["skipped"], here, None)) + faded * recent.sum(
            where(recent["skipped"] == recent["skipped"], before, None)
        )
        return skips / plays

    return skip_rate_across


ACROSS = (_across(0.7), _across(0.8), _across(0.9), _across(0.96))


@feature("share", "Skip rate of this listener on earlier days")
def skip_rate_of_listener(history):
    return history.rate("listener")
