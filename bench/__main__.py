"""`make bench`: every figure the README quotes, one after the other."""

from __future__ import annotations

from bench import identity, index, ingest, load, overhead, search

if __name__ == "__main__":
    for part in (search, index, overhead, load, ingest, identity):
        part.main()
