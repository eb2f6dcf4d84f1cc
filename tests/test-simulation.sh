#!/bin/sh
# SPDX-License-Identifier: MIT
# The simulation (tests/simulation/world.h): a seed can be replayed, no seed of
# many violates an invariant, and deliberate faults are found.
#
#	SIMULATION_SEEDS	how many seeds; default 2000, and a fifth of them
#				with three machines
#	SIMULATION_FIRST	the first one; default 1
set -eu

seeds=${SIMULATION_SEEDS:-2000}
first=${SIMULATION_FIRST:-1}
simulate=tests/simulation/simulate
# There is only one thread, so a thread sanitizer could find nothing.
if nm "$simulate" 2>/dev/null | grep -q __tsan_init; then
	echo "one thread only ... skipped"
	exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

# case_is NAME RESULT
case_is()
{
	if [ "$2" = 0 ]; then
		echo "$1 ... ok"
	else
		echo "$1 ... FAIL"
		failed=1
	fi
}

# The last line has the hash of the trace. For the second run, memory is laid
# out differently.
replay()
{
	result=0
	"$simulate" "$@" >"$tmp/once" || result=1
	MALLOC_PERTURB_=165 "$simulate" -t "$@" | tail -n 1 >"$tmp/again"
	cmp "$tmp/once" "$tmp/again" || result=1
	case_is "a seed replays: $*" $result
}

# play COUNT [OPTION ...]
play()
{
	count=$1
	shift
	result=0
	"$simulate" "$@" -n "$count" "$first" || result=1
	case_is "$count seeds from $first on${*:+: $*}" $result
}

# find_fault FAULT [OPTION ...]
find_fault()
{
	fault=$1
	shift
	result=0
	! "$simulate" "$@" -f "$fault" -n 1000 1 >"$tmp/out" 2>&1 || result=1
	grep '^seed ' "$tmp/out" || result=1
	case_is "the fault \"$fault\" is found within 1000 seeds${*:+: $*}" \
		$result
}

replay 7
play "$seeds"
for fault in lost swapped twice; do
	find_fault $fault
done

# A cluster of three machines.
replay -m 3 7
play $((seeds / 5)) -m 3
for fault in uncounted untold kept; do
	find_fault $fault -m 3
done
exit $failed
