#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual pages as mandoc's lint sees them, and whether what is rendered of
# them in doc/man is current. Manuals of other projects that are not installed
# here are ignored.
set -eu

command -v mandoc >/dev/null || {
	echo "mandoc was not found"
	exit 77
}
top=$(cd "$(dirname "$0")/.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0

cd "$top/man"
out=$(mandoc -Tlint ./*.[1-9] 2>&1 |
	grep -v -e 'outdated mandoc.db' \
		-e 'referenced manual not found: Xr [^l]' || :)
echo "${out:-PASS: mandoc -Tlint finds nothing}"
[ -z "$out" ] || status=1

"$top/doc/render-manuals" "$tmp/man"
if diff -r "$top/doc/man" "$tmp/man" >"$tmp/diff"; then
	echo "PASS: doc/man is current"
else
	head -n 20 "$tmp/diff"
	echo "FAIL: doc/man differs from man/: make doc-manuals"
	status=1
fi
exit $status
