#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs make install into an empty directory, checks the installed files, builds
# a module with them, and runs make uninstall. Runs in the build directory,
# which must have a complete build.
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

# Prints a directory that configure has chosen, as the Makefile has it.
value()
{
	printf 'include Makefile\nvalue-of:\n\t@echo "%s"\n' "\$($1)" \
		>"$tmp/value.mk"
	$MAKE -s --no-print-directory -f "$tmp/value.mk" value-of
}
prefix=$(value prefix)
bindir=$(value bindir)
sbindir=$(value sbindir)
pkglibdir=$(value pkglibdir)
sysconfdir=$(value sysconfdir)
pkgconfigdir=$(value pkgconfigdir)
examplesdir=$(value examplesdir)
mandir=$(value mandir)
docdir=$(value docdir)
datadir=$(value datadir)
unitdir=$(value systemdsystemunitdir)
sysusersdir=$(value sysusersdir)
tmpfilesdir=$(value tmpfilesdir)

# only_own_places DIRECTORY...: checks that no text there names a place that is
# not one of this build.
only_own_places()
{
	! grep -rnoE '[A-Za-z0-9_./+-]*/(etc|lib|share/doc)/lined[a-z./-]*' "$@" |
		grep -vE ":($sysconfdir/lined|$pkglibdir|$docdir|/var/lib/lined)([./]|\$)"
}

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
check "lined-module(3)" test -f "$root$mandir/man3/lined-module.3"
check "a function leads to its page" grep -qx '.so man3/lined-socket.3' \
	"$root$mandir/man3/lined_socket_send.3"
check "the manual names the config of this build" \
	grep -q "^.It Pa $sysconfdir/lined/lined.conf" \
	"$root$mandir/man8/lined.8"
check "and no document another one's" \
	only_own_places "$root$docdir" "$root$mandir"
check "lined.conf(5)" test -f "$root$mandir/man5/lined.conf.5"
check "linetest" test -x "$root$bindir/linetest"
check "linetest(1)" test -f "$root$mandir/man1/linetest.1"
check "linectl" test -x "$root$bindir/linectl"
check "linectl(1)" test -f "$root$mandir/man1/linectl.1"
check "its completion" \
	test -f "$root$datadir/bash-completion/completions/linectl"
check "linetest's completion" \
	test -f "$root$datadir/bash-completion/completions/linetest"
if [ "$unitdir" != no ]; then
	unit=$root$unitdir/lined.service
	check "the unit" test -f "$unit"
	check "in which all places are filled in" \
		sh -c '! grep -n "@[a-z]*dir@" "$1"' - "$unit"
	check "and lined's own is right" \
		grep -q "^ExecStart=$sbindir/lined " "$unit"
	check "the socket unit" test -f "$root$unitdir/lined.socket"
	check "a drop-in" test -f "$root$examplesdir/systemd/low-ports.conf"
fi
[ "$sysusersdir" = no ] ||
	check "the user" test -f "$root$sysusersdir/lined.conf"
[ "$tmpfilesdir" = no ] ||
	check "its directory" test -f "$root$tmpfilesdir/lined.conf"

# With another prefix, nothing is installed outside of it, unless configure was
# told to.
case $prefix:$(./config.status --config) in
/usr:* | /usr/local:* | /opt:* | /opt/* | *dir=*) ;;
*)
	check "nothing left the prefix" \
		sh -c '! find "$1" -type f | grep -v "^$1$2/"' - "$root" "$prefix"
	;;
esac

check "the config is good" \
	"$root$sbindir/lined" -t -c "$root$sysconfdir/lined/lined.conf" \
	-m "$root$pkglibdir"
# Lines that are commented out must be valid when they are switched on.
sed -E 's/^#([[:lower:]	}])/\1/' "$root$sysconfdir/lined/lined.conf" \
	>"$tmp/switched-on.conf"
check "with all of it switched on, too" \
	"$root$sbindir/lined" -t -c "$tmp/switched-on.conf" -m "$root$pkglibdir"

# ---- what a protocol's author gets -----------------------------------------

# Everything is below $root: tell pkg-config.
mkdir "$tmp/pkgconfig"
check "lined.pc" sh -c 'sed "s|^prefix=|&$1|" "$2" >"$3"' - "$root" \
	"$root$pkgconfigdir/lined.pc" "$tmp/pkgconfig/lined.pc"
export PKG_CONFIG_PATH="$tmp/pkgconfig"

variable_is()
{
	got=$(pkg-config --variable="$1" lined)
	echo "$1=$got"
	[ "$got" = "$2" ]
}
top=$(cd "$(dirname "$0")/.." && pwd)
abi=$(printf '#include <lined/protocol.h>\nLINED_ABI\n' |
	$CC -E -P -I"$top/lib" -I"$top/daemon" - | tail -n 1 | tr -d u)
check "its modules are where lined looks" \
	variable_is moduledir "$root$pkglibdir"
# It moves with the prefix, if it is below the prefix.
case $sysconfdir in
"$prefix"/*) moved=$root ;;
*) moved= ;;
esac
check "its configuration is named" \
	variable_is confdir "$moved$sysconfdir/lined"
check "its lined is there" variable_is lined "$root$sbindir/lined"
check "and linetest" variable_is linetest "$root$bindir/linetest"
check "its ABI is the header's" variable_is abi "$abi"
check "and nothing is left to be filled in" \
	sh -c '! grep -n @ "$1"' - "$root$pkgconfigdir/lined.pc"

# Builds a module as lined-module(3) says, with nothing else. $CC may add
# sanitizers.
build_module()
{
	# shellcheck disable=SC2046 # words
	$CC -shared -fPIC $(pkg-config --cflags lined) "$tmp/$1.c" \
		-o "$root$pkglibdir/$1.so"
	chmod go-w "$root$pkglibdir/$1.so"
}

takes_module()
{
	printf 'service "s" { protocol = "%s" listen = { "unix://%s" } }\n' \
		"$1" "$tmp/sock" >"$tmp/$1.conf"
	"$root$sbindir/lined" -t -c "$tmp/$1.conf" -m "$root$pkglibdir"
}

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
check "a module is built from what was installed" build_module shout
check "and lined takes it" takes_module shout

printf 'protocol shout\nalice> hello\nalice< hello\nalice< !\n' >"$tmp/shout.lt"
check "and linetest plays it" env -u LINED -u LINED_MODULES \
	"$root$bindir/linetest" --fragment -m "$root$pkglibdir" "$tmp/shout.lt"

# LINED_OPTION must accept only members of the option's type.
option_module()
{
	printf '#include <lined/protocol.h>\n' >"$tmp/$1.c"
	printf 'struct options { %s value; };\n' "$2" >>"$tmp/$1.c"
	printf 'extern const struct lined_option table[];\n' >>"$tmp/$1.c"
	printf 'const struct lined_option table[] = {{%s}};\n' \
		'LINED_OPTION("value", INTEGER, struct options, value)' \
		>>"$tmp/$1.c"
	build_module "$1"
}
refuses_option_module()
{
	! option_module "$@"
}
check "an option of the right type is taken" option_module right int64_t
check "of another it is not" refuses_option_module wrong int
rm -f "$root$pkglibdir/right.so"

# A module that uses every function: it loads only if each of them is found.
"$top/tests/public-functions.sh" $(pkg-config --cflags lined) \
	>"$tmp/functions"
{
	for header in $PUBLIC_HEADERS; do
		echo "#include <lined/${header##*/}>"
	done
	sed 's/"shout"/"all"/; s/shout_line/all_line/' "$tmp/shout.c"
	echo 'typedef void (*function)(void);'
	echo 'extern const function all_of_them[];'
	echo 'const function all_of_them[] = {'
	sed 's/.*/	(function)&,/' "$tmp/functions"
	echo '};'
} >"$tmp/all.c"
check "there are functions" test "$(wc -l <"$tmp/functions")" -gt 100
check "a module that uses every public function is built" build_module all
check "and all of them are found" takes_module all
{
	cat "$tmp/all.c"
	echo 'void lined_of_the_future(void);'
	echo 'extern const function one_more;'
	echo 'const function one_more = lined_of_the_future;'
} | sed 's/"all"/"more"/' >"$tmp/more.c"
names_the_missing()
{
	takes_module more >"$tmp/refusal" 2>&1 && return 1
	cat "$tmp/refusal"
	grep -q 'more.so: undefined symbol: lined_of_the_future' "$tmp/refusal"
}
check "with one that is not there it is built too" build_module more
check "and refused, by that name" names_the_missing
rm -f "$root$pkglibdir"/shout.so "$root$pkglibdir"/all.so \
	"$root$pkglibdir"/more.so

# The template must build as it is, in another directory.
cp -r "$root$examplesdir/template" "$tmp/myproto"
chmod 755 "$tmp/myproto"
template()
{
	env -u MAKEFLAGS CC="$CC" $MAKE -C "$tmp/myproto" CC="$CC" "$@"
}
check "the template is built" template CFLAGS="-std=c11 -Wall -Wextra -Werror"
check "and its own tests pass" template check
check "it is installed" template install
check "where lined finds it" \
	"$root$sbindir/lined" -t -m "$root$pkglibdir" \
	-c "$tmp/myproto/myproto.conf"
rm -f "$root$pkglibdir/myproto.so"

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
