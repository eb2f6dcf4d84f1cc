#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the name of every function that the public headers declare, a line for
# each. Reads the output of the preprocessor, so that attributes do not matter.
# Arguments: the compiler's flags that find the headers, -I DIRECTORY...
set -eu

: "${CC:=cc}"
top=$(cd "$(dirname "$0")/.." && pwd)
for header in ${PUBLIC_HEADERS:-"$top"/lib/lined/*.h "$top"/daemon/lined/*.h}; do
	echo "#include <lined/${header##*/}>"
done |
	$CC -E -x c -std=c11 "$@" - |
	# Keeps only the text of these headers, in one piece.
	awk '/^# [0-9]+ / { mine = $3 ~ /\/lined\/[a-z]+\.h"$/; next }
		mine { print }' |
	tr '\n\t' '  ' |
	sed -E 's/__attribute__ *\(\([^()]*(\([^()]*\))?[^()]*\)\)/ /g
		s/([;{}])/\1\n/g' |
	awk '
	# Finds text outside of braces with a name before a parenthesis.
	depth == 0 && match($0, /[A-Za-z_0-9]+ *\(/) {
		name = substr($0, RSTART, RLENGTH)
		sub(/ *\(/, "", name)
		print name
	}
	{ depth += gsub(/\{/, "{") - gsub(/\}/, "}") }' |
	sort -u
