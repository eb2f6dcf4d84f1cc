#!/bin/sh
# SPDX-License-Identifier: MIT
# make install into an empty directory, what is there afterwards, a module
# written against what was installed, and make uninstall. Runs in the build
# directory and needs a build that is complete.
set -eu

: "${CC:=cc}" "${MAKE:=make}"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root

cases=0
faults=0
check()
{
	what=$1
	shift
	cases=$((cases + 1))
	if "$@" >"$tmp/out" 2>&1; then
		echo "PASS: $what"
	else
		faults=$((faults + 1))
		echo "FAIL: $what"
		sed 's/^/    /' "$tmp/out"
	fi
}

# Where configure put things, asked of the Makefile.
value()
{
	printf 'include Makefile\nvalue-of:\n\t@echo "%s"\n' "\$($1)" \
		>"$tmp/value.mk"
	$MAKE -s --no-print-directory -f "$tmp/value.mk" value-of
}
sbindir=$(value sbindir)
pkglibdir=$(value pkglibdir)
includedir=$(value includedir)
sysconfdir=$(value sysconfdir)
mandir=$(value mandir)
unitdir=$(value systemdsystemunitdir)

umask 002
check "make install" $MAKE install DESTDIR="$root"
check "the daemon" test -x "$root$sbindir/lined"
check "a protocol" test -f "$root$pkglibdir/echo.so"
check "which only its owner may write to" \
	sh -c '[ -z "$(find "$1" -name "*.so" -perm /022)" ]' - "$root$pkglibdir"
check "no .la files" \
	sh -c '[ -z "$(find "$1" -name "*.la")" ]' - "$root"
check "the config" test -f "$root$sysconfdir/lined/lined.conf"
check "lined(8)" test -f "$root$mandir/man8/lined.8"
check "lined.conf(5)" test -f "$root$mandir/man5/lined.conf.5"
if [ "$unitdir" != no ]; then
	unit=$root$unitdir/lined.service
	check "the unit" test -f "$unit"
	check "in which all places are filled in" \
		sh -c '! grep -n "@[a-z]*dir@" "$1"' - "$unit"
	check "and lined's own is right" \
		grep -q "^ExecStart=$sbindir/lined " "$unit"
fi

check "the config is good" \
	"$root$sbindir/lined" -t -c "$root$sysconfdir/lined/lined.conf" \
	-m "$root$pkglibdir"

cat >"$tmp/shout.c" <<'C'
#include <lined/protocol.h>

static void shout_line(struct lined_socket *client,
		       const struct lined_line *line)
{
	lined_socket_send_line(client, line);
	lined_socket_send(client, "!\n", 2);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "shout",
	.summary = "sends every line back, and then a mark",
	.handle_line = shout_line,
};
C
check "a module is built from the installed headers" \
	$CC -std=c11 -Wall -Werror -shared -fPIC -I"$root$includedir" \
	-o "$root$pkglibdir/shout.so" "$tmp/shout.c"
chmod go-w "$root$pkglibdir/shout.so"
printf 'service "s" { protocol = "shout" listen = { "unix://%s" } }\n' \
	"$tmp/sock" >"$tmp/shout.conf"
check "and lined takes it" "$root$sbindir/lined" -t -c "$tmp/shout.conf" \
	-m "$root$pkglibdir"
rm -f "$root$pkglibdir/shout.so"

echo '# changed' >>"$root$sysconfdir/lined/lined.conf"
check "make install again" $MAKE install DESTDIR="$root"
check "keeps a config that was changed" \
	grep -q '^# changed' "$root$sysconfdir/lined/lined.conf"
check "make uninstall" $MAKE uninstall DESTDIR="$root"
check "keeps it too" test -f "$root$sysconfdir/lined/lined.conf"
rm -f "$root$sysconfdir/lined/lined.conf"
check "make uninstall leaves nothing" \
	sh -c 'find "$1" -type f -o -type l | grep . && exit 1 || :' - "$root"

echo "Checks: $cases, Failures: $faults"
[ "$faults" = 0 ]
