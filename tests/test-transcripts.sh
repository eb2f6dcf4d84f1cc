#!/bin/sh
# SPDX-License-Identifier: MIT
# Plays every transcript in tests/transcripts with every cut of the clients'
# bytes, and with one, two and four workers. A failure is printed with the seed
# of the random cuts.
set -eu

: "${LINETEST:=$PWD/linetest}"
cd "$(dirname "$0")/transcripts"
# Three at a time, because they mostly wait.
code=0
out=$(printf '%s\n' ./*.lt |
	xargs -n 7 -P 3 "$LINETEST" --workers 4 --fragment=2) || code=$?
echo "$out"
# The same over the other streams, whose records, frames and packets are cut at
# other places.
over=tls,ws,wss
"$LINETEST" --over $over -t ./echo.lt 2>/dev/null || over=tcp,ws
more=$(printf '%s\n' ./*.lt |
	xargs -n 4 -P 4 "$LINETEST" --over $over --fragment=1) || code=$?
echo "$more"
printf '%s\n' "$out" "$more" | sed -n 's/^.*; \([0-9]*\) runs, \([0-9]*\) failed$/Checks: \1, Failures: \2/p'
exit $code
