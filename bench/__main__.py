"""`make bench`: every figure the README quotes, one after the other."""

from __future__ import annotations

from bench import identity, ingest, overhead, search

if __name__ == "__main__":
    for part in (search, overhead, ingest, identity):
        part.main()
