#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the fuzzer of the config for a short time, beginning with the shipped
# files.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
[ -x tests/fuzz/fuzz-conf ] || {
	echo "the fuzzer was not built"
	exit 77
}
exec tests/fuzz/fuzz-conf 5 1 "$top/conf/lined.conf" \
	"$top/conf/examples/everything.conf"
