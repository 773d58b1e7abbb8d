"""Requests that a machine makes up from the service's own description, and those that people make up to break one.

Plain pytest sends about 200 of them, `make torture` (see torture.py) 20,000 or ten times --fuzz.
"""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import small
from segue.service.problems import MEDIA
from service import continued
from service.served import service

BY_DESIGN = {503, 504, 507}  # it ends, it took too long, the disk is full
METHODS = ("get", "post", "delete", "put", "patch", "options", "head")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Of a service whose failures are answers, as they would be over the network."""
    all = (small.bundle("online"), small.bundle("challenge"), continued.bundle(), small.bundle("stay"))
    with service(tmp_path_factory.mktemp("fuzzed"), bundles=all) as made:
        made._transport.raise_server_exceptions = False
        yield made


@pytest.fixture
def cases(pytestconfig):
    """How many requests a machine makes up."""
    told = pytestconfig.getoption("fuzz", None)
    return 200 if told is None else 10 * told


def sound(answer):
    """No failure of the service; and an error says what RFC 9457 asks of it, in one line, without a trace."""
    status = answer.status_code
    assert status < 500 or status in BY_DESIGN, answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    if status >= 400 and answer.request.method != "HEAD":
        assert answer.headers["content-type"] == MEDIA
        said = answer.json()
        assert said["status"] == status
        assert said["type"]
        assert said["title"]
        assert said["detail"]
        assert "\n" not in said["detail"] + said.get("remedy", "")
        assert "Traceback" not in answer.text
        assert len(answer.text) < 4_000
    elif answer.headers.get("content-type") == "application/json" and answer.content:
        json.loads(answer.content, parse_constant=pytest.fail)
    return answer


# ── from its own description ────────────────────────────────────────────────────────────────────────────────────────


def test_requests_made_from_its_description_never_make_it_fail(client, cases):
    import schemathesis
    from schemathesis import GenerationMode

    described = client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(described)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {o.path for o in operations} == set(described["paths"])
    ways, statuses, round = (
        [(o, mode) for o in operations for mode in GenerationMode if mode.is_positive or takes_anything(described, o)],
        {},
        0,
    )
    while ways and (left := cases - sum(statuses.values())) > 0:  # of some addresses there is little to ask
        each, round = -(-left // len(ways)), round + 1
        ways = [way for way in ways if run(client, *way, each, statuses, round) >= each]
    print({k: statuses[k] for k in sorted(statuses)}, sum(statuses.values()))
    assert sum(statuses.values()) >= cases
    assert statuses.get(200, 0) > 0


def takes_anything(described, operation):
    said = described["paths"][operation.path][operation.method.lower()]
    return bool(said.get("parameters") or said.get("requestBody"))


def run(client, operation, mode, n, statuses, chance):
    """Some requests to one address: how many it were."""
    from hypothesis.errors import Unsatisfiable
    from schemathesis.core.errors import SchemathesisError

    before = sum(statuses.values())
    kept = {name: "kept" for name in ("session", "listener") if f"{{{name}}}" in operation.path and chance % 2}
    made = operation.as_strategy(generation_mode=mode, path_parameters=kept or None)

    @seed(chance)
    @settings(
        max_examples=n, database=None, deadline=None, derandomize=False, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(made)
    def one(case):
        if kept:  # a session that is there, and a model that is
            client.post("/v1/sessions/kept/plays", json={"id": "p", "track": "t", "listener": "kept"})
            case.query = {k: v for k, v in (case.query or {}).items() if k != "model"}
        answer = sent(client, case)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1

    try:
        one()
    except (SchemathesisError, Unsatisfiable):  # of an address that takes nothing, nothing wrong can be sent
        assert mode.is_negative
    return sum(statuses.values()) - before


def sent(client, case):
    body = case.body
    content = None
    if type(body).__name__ not in ("NotSet", "NotSetType"):
        content = body if isinstance(body, bytes) else json.dumps(body, default=str).encode("utf-8", "surrogatepass")
    headers = {k: v for k, v in (case.headers or {}).items() if v.isascii() and v.isprintable() and v == v.strip()}
    query = {k: v for k, v in (case.query or {}).items() if v is not None}
    try:
        request = client.build_request(case.method, case.formatted_path, params=query, content=content, headers=headers)
    except (UnicodeError, ValueError, TypeError):  # what no client can send
        request = client.build_request(case.method, "/v1/skip", content=content)
    return sound(client.send(request))


# ── made up by people ───────────────────────────────────────────────────────────────────────────────────────────────

NEXT = '"next": {"track": "t"}'
BODIES = {
    "nothing": "",
    "a word": "hello",
    "null": "null",
    "a list": "[]",
    "a number": "7",
    "a text": '"x"',
    "true": "true",
    "half a session": '{"plays": [',
    "two of them": "{}{}",
    "a byte order mark": "\ufeff{}",
    "NUL": "\0",
    "a comment": "{/* */}",
    "nested lists": '{"plays": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "nested objects": '{"next":' * 50_000 + "1" + "}" * 50_000,
    "a huge number": '{"plays": [], "next": {"track": "t", "start_ms": 1e400}}',
    "a number of many digits": '{"plays": [], "next": {"track": "t", "start_ms": ' + "9" * 5_000 + "}}",
    "a number of 4,000 digits": '{"plays": [], "next": {"track": "t", "start_ms": ' + "9" * 4_000 + "}}",
    "an age of 4,000 digits": '{"plays": [], "listener_age": ' + "9" * 4_000 + f", {NEXT}}}",
    "a length of 400 digits": '{"plays": [], "length": ' + "9" * 400 + f", {NEXT}}}",
    "beyond 64 bits": '{"plays": [], "next": {"track": "t", "start_ms": 9223372036854775808}}',
    "before all time": '{"plays": [], "next": {"track": "t", "start_ms": -9223372036854775808}}',
    "after all time": '{"plays": [], "next": {"track": "t", "start_ms": 9223372036854775806}}',
    "a start in the year 9999": '{"plays": [], "next": {"track": "t", "start": "9999-12-31T23:59:59+23:59"}}',
    "a start in the year 1": '{"plays": [], "next": {"track": "t", "start": "0001-01-01T00:00:00+14:00"}}',
    "NaN": '{"plays": [], "next": {"track": "t", "energy": NaN}}',
    "infinity": '{"plays": [], "next": {"track": "t", "energy": -Infinity}}',
    "a tempo of 1e308": '{"plays": [], "next": {"track": "t", "tempo": 1e308}}',
    "a lone surrogate": '{"plays": [], "next": {"track": "\\ud800"}}',
    "a lone surrogate as a field": '{"plays": [], "\\udfff": 1}',
    "a NUL in a name": '{"plays": [], "next": {"track": "a\\u0000b"}, "listener": "\\u0000"}',
    "a name twice": '{"plays": [], "plays": 3, "next": {"track": "t"}, "next": 4}',
    "a very long name": '{"plays": [], "next": {"track": "' + "x" * 900_000 + '"}}',
    "a very long field": '{"' + "x" * 900_000 + '": 1}',
    "a day that is none": '{"plays": [], "day": "2024-02-31", "next": {"track": "t"}}',
    "a day of the year 0": '{"plays": [], "day": "0000-00-00", "next": {"track": "t"}}',
    "a day of other digits": '{"plays": [], "day": "٢٠٢٤-٠٥-٠٥", "next": {"track": "t"}}',
    "a day and more": '{"plays": [], "day": "2024-05-05\\n", "next": {"track": "t"}}',
    "a prototype": '{"__proto__": {"x": 1}, "constructor": {}, "plays": [], "next": {"track": "t"}}',
    "formats": '{"plays": [], "next": {"track": "%s%n{0}{0.__class__}${jndi:ldap://x}"}}',
    "twice asked": '{"plays": [], "next": {"track": "t"}, "candidates": [{"track": "t"}]}',
    "too many candidates": '{"plays": [], "candidates": [' + ",".join(['{"track":"t"}'] * 501) + "]}",
    "wrong types": '{"plays": {"track": 1}, "next": [true], "candidates": "x", "listener": {}}',
    "texts as numbers": '{"plays": [{"track": "t", "skipped": "yes", "played_ms": "1"}], "next": {"track": "t"}}',
    "an end before its start": '{"plays": [{"track": "t", "start_ms": 9e12, "end_ms": 0}], "next": {"track": "t"}}',
}
RAW = {
    "bytes that are no text": b"\xff\xfe\x00\x80", "half a letter": b'{"plays": [], "next": {"track": "\xc3"}}',
    "another code": '{"plays": []}'.encode("utf-16"), "a surrogate in bytes": b'{"listener": "\xed\xa0\x80"}',
    "gzip": b"\x1f\x8b\x08\0",
}  # fmt: skip
ALL = {**{k: v.encode() for k, v in BODIES.items()}, **RAW}


@pytest.mark.parametrize("name", ALL)
def test_a_hostile_body_is_refused_or_answered_and_never_makes_it_fail(client, name):
    body = ALL[name]
    for path in ("/v1/skip", "/v1/skip/batch", "/v1/sessions/hostile/plays", "/v1/sessions/hostile/skip", "/v1/length"):
        sound(client.post(path, content=body))
    for question in ("skip", "length"):
        sound(client.post(f"/v1/{question}/batch", content=b'{"sessions": [' + body + b"]}"))
    of_no_play = re.sub(rb'"next": \{"track": ("[^"]*"|t)', b'"earlier": [{"n_plays": 1', body).replace(b"}}", b"}]}")
    sound(client.post("/v1/length", content=of_no_play))
    as_event = body.replace(b'"plays": [], ', b"").replace(b'"next": {"track"', b'"next": {"shuffle": true, "track"')
    sound(client.post("/v1/sessions/hostile/plays", content=as_event.replace(b"{", b'{"track": "u", ', 1)))
    flat = body.partition(b'"next": ')[2].rstrip(b"}") + b"}"
    sound(client.post("/v1/sessions/hostile/plays", content=flat, headers={"Idempotency-Key": f"{len(body)}"}))
    for sent in (body, b'{"tracks": [' + body + b"]}", flat, b'{"title": ' + body + b"}"):
        sound(client.post("/v1/next-track", content=sent))
    sound(client.get("/v1/sessions/hostile"))
    sound(client.get("/v1/sessions/hostile/skip"))
    sound(client.get("/v1/sessions/hostile/next-track"))
    sound(client.get("/v1/sessions/hostile/length"))


NAMES = [
    "a%00b", "%2F", "a%2Fb", "..", "%2e%2e%2f", "%", "%zz", "%ff", "%ED%A0%80", "%F0%9F%8E%B5", "x" * 200, "x" * 201, "x" * 1_900,
    "%20", "a%0Ab", "'; DROP TABLE plays; --", "%25s", "a;b", "a%3Fb", "a%23b", "null", "-1", "%E2%80%AE", "{session}", "plays",
    "skip",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_is_kept_as_it_is_or_refused(client, name):
    at = f"/v1/sessions/{name}"
    told = sound(client.post(f"{at}/plays", json={"id": "a\0b", "track": "t", "listener": "\0u"}))
    if told.status_code in (200, 201):
        shown = sound(client.get(at)).json()
        assert shown["session"] == told.json()["session"]
        assert [p["id"] for p in shown["plays"]] == ["a\0b"]
        assert shown["listener"] == "\0u"
    for method in METHODS:
        sound(client.request(method, f"{at}/plays"))
        sound(client.request(method, f"{at}/skip?track={name}&model={name}&reasons={name}"))
        sound(client.request(method, f"{at}/length?model={name}"))
        sound(client.request(method, f"{at}/length"))
        sound(client.request(method, f"{at}/next-track?title={name}&k={name}"))
        sound(
            client.request(method, f"{at}/next-track?title={name}&where={name}&where=energy>={name}&diversity=0.{name}")
        )
        sound(client.request(method, f"/v1/listeners/{name}"))
        sound(client.request(method, at))
    sound(client.get(f"/v1/tracks?q={name}&limit={name}"))
    sound(client.get(f"/v1/tracks?q={name}"))
    sound(client.get(f"/page/{name}"))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "path",
    [
        "/v1/skip",
        "/v1/skip/batch",
        "/v1/next-track",
        "/v1/length",
        "/v1/length/batch",
        "/v1/models",
        "/v1/monitor",
        "/v1/nothing",
        "/health",
        "/metrics",
        "/",
    ],
)
def test_every_method_at_every_address_is_answered(client, method, path):
    sound(client.request(method, path))


@pytest.mark.parametrize("value", ["a\xffb", "", " ", "x" * 200, "x" * 201, "k\tk"])
def test_any_idempotency_key_is_taken_or_refused(client, value):
    answer = client.post(
        "/v1/sessions/keyed/plays", json={"track": "t"}, headers=[(b"Idempotency-Key", value.encode("latin-1"))]
    )
    sound(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = ("id", "track", "artist", "album", "start", "start_ms", "end", "end_ms", "played_ms", "skipped", "shuffle", "context",
          "platform", "reason_start", "reason_end", "listener", "listener_age", "country", "day", "duration_ms", "energy", "tempo",
          "key")  # fmt: skip
NEAR = st.sampled_from(
    [
        "t",
        "2024-05-05T10:00:00Z",
        "2024-05-05",
        0,
        1,
        -1,
        True,
        1_714_900_000_000,
        2**63 - 1,
        2**63,
        -(2**63),
        0.5,
        1e300,
        "",
        "\0",
    ]
)
PLAY = st.dictionaries(st.sampled_from(FIELDS), NEAR | JSON, max_size=7)
WHOLE = st.fixed_dictionaries(
    {},
    optional={"plays": st.lists(PLAY, max_size=3) | JSON, "next": PLAY | JSON, "candidates": st.lists(PLAY, max_size=3) | JSON,
              "queue": st.lists(PLAY, max_size=3) | JSON, "length": NEAR | JSON, "listener": NEAR,
              "day": NEAR | st.text(max_size=12), "recent": st.lists(PLAY, max_size=2)},
)  # fmt: skip


SEED = (
    st.sampled_from([continued.uri(0), "Song 5", "dancng queen", "", {"track": continued.uri(1)}, {"said": "x"}]) | JSON
)
LIST = st.fixed_dictionaries(
    {},
    optional={"tracks": st.lists(SEED, max_size=4) | JSON, "title": st.sampled_from(["metal", "", " "]) | JSON,
              "k": st.sampled_from([1, 100, 101, 0]) | JSON, "per_artist": st.sampled_from([0, 1]) | JSON,
              "diversity": st.sampled_from([0, 0.5, 1]) | JSON, "again": JSON,
              "where": st.lists(st.sampled_from(["energy>=0.6", "energy", "duration_ms<1e400"]) | st.text(), max_size=3)},
)  # fmt: skip


def test_lists_made_up_by_chance_never_make_it_fail(client, cases):
    found = set()

    @seed(12)
    @settings(
        max_examples=cases // 4,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(LIST)
    def one(made):
        found.add(
            sound(client.post("/v1/next-track", content=json.dumps(made).encode("utf-8", "surrogatepass"))).status_code
        )

    one()
    assert found >= {200, 422}


ENDED = st.dictionaries(
    st.sampled_from(["start", "start_ms", "end", "end_ms", "n_plays", "n_skipped", "hour", "weekday"]),
    NEAR | JSON,
    max_size=5,
)
STANDING = st.fixed_dictionaries(
    {},
    optional={"plays": st.lists(PLAY, max_size=3) | JSON, "earlier": st.lists(ENDED, max_size=3) | JSON,
              "playing": st.booleans() | JSON, "listener": NEAR, "start": NEAR, "hour": st.integers(-1, 24), "context": NEAR,
              "weekday": st.integers(-1, 7), "premium": NEAR, "gender": NEAR, "day": NEAR, "next": PLAY,
              "recent": st.lists(PLAY, max_size=2)},
)  # fmt: skip


def test_standing_sessions_made_up_by_chance_never_make_it_fail(client, cases):
    found = set()

    @seed(13)
    @settings(
        max_examples=cases // 4,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(STANDING, st.lists(ENDED, max_size=2))
    def one(made, earlier):
        whole = {**made, "earlier": [{"n_plays": 1, **one} for one in earlier]}
        for sent in (made, whole):
            content = json.dumps(sent).encode("utf-8", "surrogatepass")
            found.add(sound(client.post("/v1/length", content=content)).status_code)
            sound(client.post("/v1/length/batch", content=b'{"sessions": [{}, ' + content + b"]}"))

    one()
    assert found >= {200, 422}


def test_sessions_made_up_by_chance_never_make_it_fail(client, cases):
    @seed(11)
    @settings(
        max_examples=cases // 4,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(WHOLE, PLAY, WHOLE, st.sampled_from("abc"))
    def one(whole, play, asked, name):
        def post(path, value):
            content = json.dumps(value).encode("utf-8", "surrogatepass")
            return sound(client.post(path, content=content))

        post("/v1/skip", whole)
        post("/v1/skip/batch?reasons=1", {"sessions": [whole, asked]})
        likely = {"track": "t", **play}
        told = post(
            f"/v1/sessions/{name}/plays", likely | {k: v for k, v in asked.items() if k in ("next", "candidates")}
        )
        if told.status_code in (200, 201):
            sound(client.get(f"/v1/sessions/{name}/skip"))
            sound(client.get(f"/v1/sessions/{name}/length"))
            sound(client.get(f"/v1/sessions/{name}"))
        post(f"/v1/sessions/{name}/skip", asked)

    one()
