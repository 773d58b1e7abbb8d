"""Examples of what is sent and answered, as the API's documentation shows them; a test sends each."""

from __future__ import annotations

from typing import Any

EVENT: dict[str, Any] = {
    "id": "p1", "track": "spotify:track:1", "artist": "Quiet Harbour", "start": "2024-05-05T10:00:00Z",
    "end": "2024-05-05T10:03:20Z", "played_ms": 200000, "skipped": False, "reason_end": "trackdone", "shuffle": True,
    "listener": "u1", "next": {"track": "spotify:track:2", "artist": "Paper Motel", "shuffle": True},
}  # fmt: skip
_ENDED = {k: v for k, v in EVENT.items() if k not in ("id", "listener", "next")}
_SKIPPED: dict[str, Any] = {
    "track": "spotify:track:2", "artist": "Paper Motel", "start": "2024-05-05T10:03:20Z", "end": "2024-05-05T10:03:25Z",
    "played_ms": 5000, "skipped": True, "reason_end": "fwdbtn", "shuffle": True,
}  # fmt: skip
SESSION: dict[str, Any] = {
    "plays": [_ENDED, _SKIPPED],
    "next": {"track": "spotify:track:3", "artist": "Paper Motel", "start": "2024-05-05T10:03:26Z", "shuffle": True},
}
CANDIDATES: dict[str, Any] = {
    "plays": [_ENDED],
    "candidates": [{"track": "spotify:track:2"}, {"track": "spotify:track:3"}],
}
QUEUE: dict[str, Any] = {
    "plays": [{"track": "t_1", "skipped": False}, {"track": "t_2", "skipped": True}],
    "queue": [{"track": "t_3"}, {"track": "t_1"}],
}
MANY: dict[str, Any] = {"sessions": [SESSION, CANDIDATES]}
QUESTION: dict[str, Any] = {"candidates": [{"track": "spotify:track:2"}, {"track": "spotify:track:3"}]}

REASON: dict[str, Any] = {
    "feature": "skip_rate_of_session", "sentence": "Plays of the session so far that were skipped", "unit": "share", "value": 0.5,
    "log_odds": 0.21,
}  # fmt: skip
ANSWER: dict[str, Any] = {
    "model": "skip", "setting": "online", "asked": "next", "notes": [],
    "answers": [{"position": 3, "track": "spotify:track:3", "probability": 0.41, "reasons": [REASON]}],
}  # fmt: skip
TOLD: dict[str, Any] = {
    "session": "abc", "play": "p1", "position": 1, "plays": 1, "playing": False, "repeated": False, "late": False,
    "answer": ANSWER,
}  # fmt: skip
_BEFORE = {"start": "2024-05-04T18:00:00Z", "end": "2024-05-04T18:42:00Z", "n_plays": 12, "n_skipped": 3}
GOING_ON: dict[str, Any] = {"plays": [_ENDED, _SKIPPED], "earlier": [_BEFORE]}
BEGINNING: dict[str, Any] = {"start": "2024-05-05T10:00:00Z", "context": "editorial_playlist", "earlier": [_BEFORE]}
MANY_STANDING: dict[str, Any] = {"sessions": [GOING_ON, {"plays": [_ENDED], "playing": True}]}
STAYS: dict[str, Any] = {
    "model": "length", "setting": "stay", "heard": 2, "playing": False, "notes": [],
    "minutes": {"median": 18.2, "low": 2.4, "high": 73.0}, "tracks": {"median": 5.0, "low": 1.0, "high": 19.0},
    "gone": {"now": 0.08, "by the end of the next track": 0.17, "within 5 minutes": 0.2, "within 15 minutes": 0.43,
             "within 30 minutes": 0.62, "within 60 minutes": 0.81},
    "curve": {"tracks": [[0.0, 0.92], [1.0, 0.83], [5.0, 0.49]], "minutes": [[0.0, 0.92], [5.0, 0.8], [15.0, 0.57]]},
}  # fmt: skip
LIST: dict[str, Any] = {
    "tracks": ["Song 3", "song 5 artist"],
    "title": "road trip",
    "k": 5,
    "per_artist": 2,
    "diversity": 0.3,
}
LIST_BY_ID: dict[str, Any] = {"tracks": [{"track": "spotify:track:1"}, "Song 3"], "k": 5}
TITLED: dict[str, Any] = {"title": "road trip", "k": 5}
CONTINUED: dict[str, Any] = {
    "model": "next", "setting": "continue",
    "seeds": [{"asked": "Song 3", "taken": "Song 3 · Quiet Harbour", "track": "spotify:track:3"}], "notes": [],
    "tracks": [{"track": "spotify:track:8", "title": "Song 8", "artist": "Paper Motel", "score": 1.9,
                "reasons": ["with Song 3 · Quiet Harbour in 214 playlists"]}],
}  # fmt: skip
FOLLOWED: dict[str, Any] = {
    "model": "next", "setting": "continue", "described_by": "descriptors",
    "file": {
        "name": "song.mp3", "kind": "music", "reason": None, "seconds": 212.4, "notes": [], "warning": None,
        "compared_by": ["energy", "tempo"],
        "descriptors": {"tempo": {"value": 121.0, "low": 119.8, "high": 122.2},
                        "energy": {"value": 0.69, "low": 0.51, "high": 0.84}},
    },
    "seeds": [], "notes": ["31.0% of 2,262 tracks can be compared with it, by energy and tempo"],
    "tracks": [{"track": "spotify:track:8", "title": "Song 8", "artist": "Paper Motel", "score": 0.98,
                "reasons": ["sounds like it: tempo 120 (file 121), energy .70 (.69)"]}],
}  # fmt: skip

PROBLEM: dict[str, Any] = {
    "type": "about:blank", "title": "Unprocessable Content", "status": 422, "field": "next.skipped", "value": True,
    "detail": "next.skipped is known only after the play has ended", "remedy": "leave it out",
}  # fmt: skip


def answers_of(example: Any, *statuses: int, says: str = "As asked") -> dict[int | str, dict[str, Any]]:
    """What an endpoint answers, for FastAPI: an example, and the problem that all may answer with."""
    good: dict[int | str, dict[str, Any]] = {
        s: {"description": says, "content": {"application/json": {"example": example}}} for s in statuses or (200,)
    }
    shown = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": PROBLEM}
    problem = {
        "description": "What was found, what was expected, what to do (RFC 9457)",
        "content": {"application/problem+json": shown},
    }
    return {**good, "4XX": problem}
