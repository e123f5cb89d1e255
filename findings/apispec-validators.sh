#!/usr/bin/env bash
# apispec 6.10.1 writes two validators of marshmallow 4.4.0 with another meaning. ContainsOnly(["a", "b"]) becomes an
# `enum` of the array instead of its items, so that no list is valid at all; Range(min=0, min_inclusive=False) becomes
# `minimum: 0`, which allows 0.
# Who is hurt: users of clients and gateways that check requests by the OpenAPI document: they refuse what the server
# takes, and send what it refuses.
# In the product: neither is used, and the tests with schemathesis compare the document with the answers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install -qq "apispec[marshmallow]==6.10.1" marshmallow==4.4.0 jsonschema==4.25.1 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: both agree"; exit 1; }
import importlib.metadata
import sys

import jsonschema
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema, fields, validate

for name in ("apispec", "marshmallow", "jsonschema"):
    print(name, importlib.metadata.version(name))


class Search(Schema):
    formats = fields.List(fields.String(), validate=validate.ContainsOnly(["pdf", "docx"]))
    weight = fields.Float(validate=validate.Range(min=0, min_inclusive=False))


spec = APISpec("t", "1", "3.1.0", plugins=[MarshmallowPlugin()])
spec.components.schema("Search", schema=Search)
document = spec.to_dict()["components"]["schemas"]["Search"]
print("expected: marshmallow and the document agree on each of these")
seen = []
for body in ({"formats": ["pdf"]}, {"weight": 0.0}, {"weight": 0.5}):
    taken = not Search().validate(body)
    documented = jsonschema.Draft202012Validator(document).is_valid(body)
    print(f"seen: {body}: marshmallow takes it {taken}, the document allows it {documented}")
    seen.append((taken, documented))
print("seen:", document["properties"])
sys.exit(0 if seen == [(True, False), (False, True), (True, True)] else 1)
PYTHON
