#!/usr/bin/env bash
# openapi-python-client 0.29.1: an operation with two types of request body and no parameter becomes a module that
# cannot be imported. Its signatures use `Unset`, and only `UNSET` and `Response` are imported.
# Who is hurt: users who generate a client for a backend whose upload takes JSON or a form. The generator ends without
# an error, and the NameError comes with their first import.
# In the product: the operations with two request types describe a parameter as well, and tests/web/test_clients.py
# imports every module of a generated client.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq openapi-python-client==0.29.1 || exit 2
export PATH="$folder/venv/bin:$PATH"

cat > "$folder/openapi.json" <<'JSON'
{"openapi": "3.1.0", "info": {"title": "Shelf", "version": "1"},
 "paths": {"/documents": {"post": {
   "operationId": "addDocument",
   "requestBody": {"required": true, "content": {
     "application/json": {"schema": {"$ref": "#/components/schemas/Note"}},
     "multipart/form-data": {"schema": {"$ref": "#/components/schemas/Upload"}}}},
   "responses": {"204": {"description": "added"}}}}},
 "components": {"schemas": {
   "Note": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
   "Upload": {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}}}}
JSON
openapi-python-client --version
echo "generating: exit status $(openapi-python-client generate --path "$folder/openapi.json" \
  --output-path "$folder/client" > "$folder/log" 2>&1; echo $?)"
echo "expected: the generated module can be imported"
module="$folder/client/shelf_client/api/default/add_document.py"
grep -n 'import.* UNSET' "$module" || true
grep -n -m 1 'Unset = UNSET' "$module" || true
cd "$folder/client"
python -c 'import shelf_client.api.default.add_document' 2> "$folder/error" || true
echo "seen: $(tail -n 1 "$folder/error")"
grep -q "NameError: name 'Unset' is not defined" "$folder/error" && exit 0
echo "CHANGED: the module can be imported"
exit 1
