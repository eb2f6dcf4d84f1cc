#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual pages as mandoc's lint sees them. Manuals of other projects that
# are not installed here are no fault of ours.
set -eu

command -v mandoc >/dev/null || {
	echo "mandoc was not found"
	exit 77
}
cd "$(dirname "$0")/../man"
out=$(mandoc -Tlint ./*.[1-9] 2>&1 |
	grep -v -e 'outdated mandoc.db' \
		-e 'referenced manual not found: Xr [^l]' || :)
echo "${out:-PASS: mandoc -Tlint has nothing to say}"
[ -z "$out" ]
