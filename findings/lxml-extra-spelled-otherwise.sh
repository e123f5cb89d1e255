#!/usr/bin/env bash
# jusText 3.0.2 asks for `lxml[html_clean]`, and lxml 6.1.3 calls the extra `html-clean`. pip 23.2.1 (the one inside
# Python 3.11.5 to 3.11.7) does not take the two for the same: it warns, leaves the dependency out and ends with 0;
# `import justext` then fails, and with it trafilatura. pip 25.0 normalizes the names.
# Who is hurt: who reads web pages for a search with trafilatura in a fresh venv: the installation is green, and the
# first page is an ImportError.
# In the product: pages are read with selectolax, and requirements files name every package, so no extra is resolved.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/old" && "$folder/old/bin/pip" install -qq pip==23.2.1 || exit 2
python3 -m venv "$folder/new" && "$folder/new/bin/pip" install -qq pip==25.0 || exit 2
echo "expected: with both, justext can be imported"
for venv in old new; do
    "$folder/$venv/bin/pip" install -q jusText==3.0.2 lxml==6.1.3 > "$folder/$venv.log" 2>&1 || exit 2
    "$folder/$venv/bin/python" -c 'import justext' 2> "$folder/$venv.error" && result=imported || result=failed
    echo "seen: $("$folder/$venv/bin/pip" --version | cut -d ' ' -f 1-2): $result"
    grep -h 'extra' "$folder/$venv.log" || true
    grep -h '^ImportError' "$folder/$venv.error" || true
    declare "$venv=$result"
done
[ "$old $new" = "failed imported" ] || { echo "CHANGED: pip 23.2.1: $old, pip 25.0: $new"; exit 1; }
