#!/bin/sh
# SPDX-License-Identifier: MIT
# Every transcript under tests/transcripts, with every cut of what clients say
# and with one, two and four workers.
set -eu

: "${LINETEST:=$PWD/linetest}"
cd "$(dirname "$0")/transcripts"
exec "$LINETEST" --workers 4 --fragment=2 ./*.lt
