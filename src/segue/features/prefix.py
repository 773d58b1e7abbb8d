"""What the listener has just skipped and kept in this session."""

from segue.features.feature import feature
from segue.features.tree import Node, where
from segue.features.words import Plays


def depth(plays: Plays) -> Node:
    """How deep a play was skipped: 3 at once, 2 after a while, 1 near its end, 0 not; of a source that says no more than
    whether it was skipped, 3 or 0."""
    said = plays["skip_1"] + plays["skipped"] + plays["skip_3"]
    return where(said == said, said, 3 * plays["skipped"])


@feature("flag", "The last play was skipped")
def last_skipped(past):
    return past.lag("skipped")


@feature("flag", "The second last play was skipped")
def second_last_skipped(past):
    return past.lag("skipped", 2)


@feature("share", "Plays of this session so far that were skipped")
def skip_rate_of_session(past):
    return past.mean("skipped")


@feature("share", "Last five plays that were skipped")
def skip_rate_of_last_5(past):
    return past.mean("skipped", last=5)


@feature("share", "Exponentially weighted skip rate of this session")
def skip_rate_decayed(past):
    return past.decayed("skipped")


@feature("plays", "Length of the run of skips up to now")
def skip_run(past):
    return past.run("skipped")


@feature("plays", "Length of the run of plays that were kept up to now")
def kept_run(past):
    return past.run(1 - past["skipped"])  # unlike == 0, unknown where the skip is


@feature("flag", "The last play was skipped very briefly after its start")
def last_skipped_at_once(past):
    return past.lag("skip_1")


@feature("flag", "The last play was heard to its end")
def last_heard_out(past):
    return past.lag("not_skipped")


@feature("score", "Exponentially weighted depth of skips in this session: 0 heard out, 1 skipped at once")
def skip_depth_decayed(past):
    return past.decayed(depth(past)) / 3
