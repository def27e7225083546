#!/bin/sh
# A second model to compare with, for those who have no key at hand: a server on this machine that calls every review
# positive, at a tenth of a cent per thousand tokens. Its provider and price are added to pyproject.toml.
set -eu
python -m promptops.testing --answer positive > .parrot-url &
server=$!
trap 'kill "$server"; rm -f .parrot-url' EXIT
while ! test -s .parrot-url; do :; done
cat >> pyproject.toml <<TOML

[tool.promptops.providers.parrot]
base_url = "$(cat .parrot-url)"

[tool.promptops.prices]
"parrot/always-positive-1" = [0.001, 0.001]
TOML
promptops compare sentiment --models parrot/always-positive-1 "$@"
