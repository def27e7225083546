#!/bin/sh
# A colleague's sentiment v3: the eight examples of v2 in another order, with its recordings, committed.
# Run it in a clone that you can throw away. It changes nothing but two files, and asks no model.
set -eu

root=$(git rev-parse --show-toplevel)
cd "$root"
source=examples/worse-candidate
version=prompts/sentiment/v3.j2
recordings=fixtures/sentiment/recordings/v3

if [ -e "$version" ]; then
    echo "$version exists already: this clone has the candidate" >&2
    exit 2
fi
if [ -n "$(git status --porcelain -- prompts fixtures)" ]; then
    echo "prompts or fixtures have changes that are not committed: run this in a fresh clone" >&2
    exit 2
fi

mkdir -p "$recordings"
cp "$source/v3.j2" "$version"
cp "$source"/recordings/*.jsonl "$recordings/"
git add -- "$version" "$recordings"
git commit --quiet --message "sentiment v3: the examples in a more natural order" -- "$version" "$recordings"

echo "Committed sentiment v3. Now see what it breaks:"
echo "  pytest --promptops                                # red: what broke, case by case"
echo "  promptops canary sentiment@v3 --mode replay       # regress (without --mode: asked live, five minutes)"
echo "  promptops promote sentiment@v3 --to production    # refused"
