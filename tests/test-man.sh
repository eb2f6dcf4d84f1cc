#!/bin/sh
# SPDX-License-Identifier: MIT
# The documents: the files that they name, and those to which they link, must
# exist. The manual pages: mandoc's lint must find nothing, except missing
# manuals of other projects; and the rendered pages in doc/man must be current.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0

cd "$top"
texts="README.md CONTRIBUTING.md SECURITY.md doc/architecture.md
	doc/production.md doc/writing-a-protocol.md"
for text in $texts; do
	# Finds whole paths such as `lib/socket_register.c`, and programs; and
	# links, relative to the text's directory.
	grep -oE '`(conf|daemon|doc|lib|man|systemd|tests|tools)/[A-Za-z0-9_./-]*`' \
		"$text" | tr -d '`' | sed "s|^|$text names |"
	sed -nE 's/\]\(/\n&/gp' "$text" |
		sed -nE 's/^\]\(([^):#]+)(#[^)]*)?\).*/\1/p' |
		sed "s|^|$text links to $(dirname "$text")/|"
done | while read -r text verb path; do
	[ "$verb" = names ] || path=${path#to }
	[ -e "$path" ] || [ -e "$path.c" ] ||
		echo "FAIL: $text $verb $path, which is not there"
done >"$tmp/missing"
if [ -s "$tmp/missing" ]; then
	cat "$tmp/missing"
	status=1
else
	echo "PASS: the files that the documents name are there"
fi

command -v mandoc >/dev/null || {
	echo "mandoc was not found"
	[ $status = 0 ] || exit 1
	exit 77
}
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
