#!/usr/bin/env bash
# uv 0.13.9 `pip compile --generate-hashes` writes pins without extras, and pip 23.2.1 (the one inside Python 3.11.5
# to 3.11.7) refuses such a file: to "coverage==7.6.1" and pytest-cov's "coverage[toml]>=5.2.1" it says that all
# requirements must have their versions pinned. It only does so once a newer coverage is published: the file breaks by
# itself, later.
# Who is hurt: who installs a backend with `pip install --require-hashes` in a fresh venv: it worked at the release.
# In the product: `make lock` passes --no-strip-extras.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/tools" && "$folder/tools/bin/pip" install -qq uv==0.13.9 || exit 2
python3 -m venv "$folder/old" && "$folder/old/bin/pip" install -qq pip==23.2.1 || exit 2
python3 -m venv "$folder/new" && "$folder/new/bin/pip" install -qq pip==25.0 || exit 2
printf 'pytest-cov==5.0.0\ncoverage[toml]==7.6.1\n' > "$folder/requirements.in"
cd "$folder"

lock() { tools/bin/uv pip compile -q --no-header --no-annotate --generate-hashes "$@" requirements.in; }
try() {  # pip's venv, requirements file
    "$1/bin/pip" install -q --dry-run --require-hashes -r "$2" > log 2>&1 && echo installs && return
    grep -q 'must have their versions pinned' log && echo refuses && return
    echo other
}
lock > stripped.txt || exit 2
lock --no-strip-extras > kept.txt || exit 2
tools/bin/uv --version
old/bin/pip --version | cut -d ' ' -f 1-2
new/bin/pip --version | cut -d ' ' -f 1-2
echo "expected: each file is installed by each pip"
seen=""
for file in kept.txt stripped.txt; do
    for venv in old new; do
        result=$(try "$venv" "$file")
        pin=$(grep '^coverage' "$file" | cut -d ' ' -f 1)
        echo "seen: $pin, pip $("$venv/bin/pip" --version | cut -d ' ' -f 2): $result"
        [ "$result" = refuses ] && grep -A 1 'must have' log | sed 's/ from .*//'
        seen="$seen $result"
    done
done
[ "$seen" = " installs installs refuses installs" ] || { echo "CHANGED: the four results are$seen"; exit 1; }
