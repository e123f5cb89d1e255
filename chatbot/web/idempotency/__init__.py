"""`Idempotency-Key`: a request that was sent twice is done once.

A key belongs to its caller for 24 hours. While its first request runs, another one with it is refused with 409;
afterwards it gets the same answer. The row says what was made and under which status, never a copy of it: a package
reads that again as the caller may see it now. A request that failed gives its key back. The row carries a lease which
a running request renews, so a key whose process has died is free within a minute.

A package that makes something in steps notes what it has begun in the transaction that begins it. Whoever gets the key
next finds the note and goes on from there, and nothing is made or paid for twice.
"""
