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


def digest(key: str) -> str:
    """SHA-256: a key is 256 random bits, which no list of guesses holds, so a slow hash would protect nothing."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def new_key(path: Path, name: str) -> str:
    """Make a key for someone, and write its hash into a file. Raises AskedWrongly where they have one."""
    kept = read_keys(path) if path.exists() else {}
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
    except (OSError, ValueError, AttributeError) as cause:
        raise BadInput(f"{path} holds no keys ({cause}): make one with segue key NAME --keys {path}") from None
    bad = next((h for h in kept if len(h) != 64 or set(h) - set("0123456789abcdef")), None)
    if bad is not None or not kept:
        raise BadInput(
            f"{path} holds no hash for {kept[bad] if bad else 'anybody'!r}: make a key with segue key NAME --keys {path}"
        )
    return kept


def owner(keys: dict[str, str], header: str) -> str | None:
    """Whose key an Authorization header holds, or None."""
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    hashed = digest(key.strip())
    return next((name for kept, name in keys.items() if hmac.compare_digest(kept, hashed)), None)
