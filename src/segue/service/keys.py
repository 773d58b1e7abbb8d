"""API keys: shown once when made, kept as hashes."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path

from segue.errors import AskedWrongly, BadInput

PREFIX = "segue_"
_OTHER = "give another file, as segue key NAME --keys FILE makes it"


def digest(key: str) -> str:
    """SHA-256: a key is 256 random bits, which no list of guesses holds, so a slow hash would protect nothing."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def new_key(path: Path, name: str) -> str:
    """Make a key for someone, and write its hash into a file.

    Raises
    ------
    AskedWrongly : nobody is named, they have one already, or the file holds something else
    """
    if not name.strip():
        raise AskedWrongly("a key needs a name, by which it is known later: segue key NAME")
    try:
        kept = read_keys(path) if path.exists() else {}
    except BadInput:
        raise AskedWrongly(f"{path} is no file of keys, and stays as it is: give another --keys") from None
    if name in kept.values():
        raise AskedWrongly(f"{path} holds a key of {name!r} already: choose another name, or take its line out first")
    key = PREFIX + secrets.token_urlsafe(32)
    kept[digest(key)] = name
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.touch(mode=0o600)
    aside.write_text(json.dumps({name: hashed for hashed, name in kept.items()}, indent=1) + "\n", encoding="utf-8")
    aside.replace(path)
    return key


def read_keys(path: Path) -> dict[str, str]:
    """Names by hash. Raises BadInput."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        kept = {str(hashed): str(name) for name, hashed in found.items()}
    except FileNotFoundError:
        raise BadInput(f"{path} is not there: make it with segue key NAME --keys {path}") from None
    except (OSError, ValueError, AttributeError) as cause:
        raise BadInput(f"{path} is no file of keys ({cause}): {_OTHER}") from None
    bad = next((h for h in kept if len(h) != 64 or set(h) - set("0123456789abcdef")), None)
    if bad is not None or not kept:
        raise BadInput(f"{path} holds no hash for {kept[bad] if bad else 'anybody'!r}: {_OTHER}")
    return kept


def is_key(header: str) -> bool:
    """Whether an Authorization header holds a key, known or not."""
    scheme, _, key = header.partition(" ")
    return scheme.lower() == "bearer" and bool(key.strip())


def owner(keys: dict[str, str], header: str) -> str | None:
    """Whose key an Authorization header holds, or None."""
    if not is_key(header):
        return None
    hashed = digest(header.partition(" ")[2].strip())
    return next((name for kept, name in keys.items() if hmac.compare_digest(kept, hashed)), None)
