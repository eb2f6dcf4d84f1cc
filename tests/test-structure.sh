#!/bin/sh
# SPDX-License-Identifier: MIT
# The rules of the tree that a compiler does not check: which files include
# which, which make threads, which exit, and what a public header may declare.
# Reads sources and compiles headers; does not run lined.
set -eu

: "${CC:=cc}"
top=$(cd "$(dirname "$0")/.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$top"

cases=0
faults=0

# case_is NAME: every line in $tmp/out is a fault.
case_is()
{
	cases=$((cases + 1))
	if [ -s "$tmp/out" ]; then
		faults=$((faults + 1))
		echo "FAIL: $1"
		sed 's/^/    /' "$tmp/out"
	else
		echo "PASS: $1"
	fi
}

# Copies the tree to $tmp/src without comments and strings, so that a comment
# may contain exit().
strip='
	s/"([^"\\]|\\.)*"/""/g
	:comment
	s,/\*([^*]|\*+[^*/])*\*+/,,g
	/\/\*/ {
		N
		b comment
	}
'
for file in $(find lib daemon tools -name '*.[ch]' 2>/dev/null); do
	mkdir -p "$tmp/src/$(dirname "$file")"
	# Includes keep their names in quotes.
	sed -E "/^#[[:space:]]*include/b
$strip" "$file" >"$tmp/src/$file"
done
cd "$tmp/src"

# only FILES ALLOWED...: the files that match the pattern, without the allowed
# ones.
only()
{
	pattern=$1
	allowed=$2
	shift 2
	find "$@" -name '*.[ch]' -exec grep -nE "$pattern" {} + |
		grep -vE "^($allowed):" >"$tmp/out" || :
}

only '#[[:space:]]*include[[:space:]]*[<"]confuse\.h' \
	'daemon/config/parse/conf_parse\.c' lib daemon tools
case_is "only conf_parse.c includes confuse.h"

only '#[[:space:]]*include[[:space:]]*[<"]openssl/' \
	'lib/(transport_)?tls[a-z_]*\.[ch]' lib daemon tools
case_is "only the TLS transport includes OpenSSL"

only '(^|[^a-z_>.])(exit|_exit|_Exit|quick_exit|err|errx|verr|verrx)[[:space:]]*\(' \
	'daemon/main\.c' lib daemon
# These end the processes that fork() leaves behind, not the daemon.
grep -vE '^daemon/system/(detach|hardening_helper_main|program_keeper_main)\.c:.*_exit' "$tmp/out" >"$tmp/out2" || :
mv "$tmp/out2" "$tmp/out"
case_is "only main.c exits"

only '(^|[^a-z_>.])(abort|assert)[[:space:]]*\(' '-' lib
case_is "lib/ never aborts"

only '(^|[^a-z_>.])(pthread_create|thrd_create)[[:space:]]*\(' \
	'daemon/threads/worker\.c|daemon/log/log_thread\.c|daemon/threads/verifier\.c|lib/resolver\.c|daemon/net/nats_broker\.c' lib daemon tools
case_is "only workers, the resolver, log thread, verifier and broker make threads"

only '#[[:space:]]*include[[:space:]]*[<"]nats/' 'daemon/net/nats_priv\.h' lib daemon tools
case_is "only nats_priv.h includes nats.h"

only '(^|[^a-z_>.])(v?syslog|openlog|perror|v?f?printf|puts|fputs)[[:space:]]*\(' \
	'-' lib
case_is "lib/ never logs"

only '(^|[^a-z_])select[[:space:]]*\(|FD_SET' '-' lib daemon tools
case_is "nothing uses select"

# ---- the direction of includes --------------------------------------------

find lib -name '*.[ch]' -exec grep -nE '#[[:space:]]*include[[:space:]]*"' {} + |
	while IFS= read -r hit; do
		name=$(echo "$hit" | sed -E 's/.*"([^"]*)".*/\1/')
		[ "$name" = config.h ] || [ -e "lib/$name" ] || echo "$hit"
	done >"$tmp/out"
find lib -name '*.[ch]' \
	-exec grep -nE 'include[[:space:]]*<lined/(protocol|service|bus|registry|control|program)\.h>' {} + \
	>>"$tmp/out" || :
case_is "lib/ includes nothing of the daemon"

find daemon/protocols -name '*.[ch]' -exec grep -nE '#[[:space:]]*include' {} + |
	grep -vE '<lined/(address|api|buffer|dispatcher|line|rate|socket|table|text|timer|tls|word|protocol|service|bus|registry|control|program)\.h>' |
	grep -E '"|<lined/' |
	while IFS= read -r hit; do
		# A declaration that several files need must be in a header.
		name=$(echo "$hit" | sed -E 's/.*"([^"]*)".*/\1/')
		# A module may have its own copy of what is pure.
		[ -e "daemon/protocols/$name" ] ||
			[ "$name" = http_request.h ] ||
			[ "$name" = proxy_header.h ] || echo "$hit"
	done >"$tmp/out"
case_is "protocols include public headers only"

find daemon -name '*.[ch]' ! -path '*/protocols/*' ! -path '*/lined/*' \
	-exec grep -nE '#[[:space:]]*include[[:space:]]*"' {} + |
	while IFS= read -r hit; do
		name=$(echo "$hit" | sed -E 's/.*"([^"]*)".*/\1/')
		[ "$name" = config.h ] || [ -e "lib/$name" ] ||
			[ -e "daemon/$name" ] || echo "$hit"
	done >"$tmp/out"
case_is "the daemon includes lib/ and itself only, no protocol"

if [ -d tools ]; then
	find tools -name '*.[ch]' \
		-exec grep -nE '#[[:space:]]*include[[:space:]]*"' {} + |
		while IFS= read -r hit; do
			name=$(echo "$hit" | sed -E 's/.*"([^"]*)".*/\1/')
			[ "$name" = config.h ] || [ -e "lib/$name" ] ||
				[ -e "tools/$name" ] || echo "$hit"
		done >"$tmp/out"
	case_is "tools include lib/ and themselves only"
fi

grep -hoE '#[[:space:]]*include[[:space:]]*[<"][^>"]*' \
	lib/lined/*.h daemon/lined/*.h | sed -E 's/.*[<"]//' | sort -u |
	while IFS= read -r name; do
		case $name in
		lined/*)
			[ -e "lib/$name" ] || [ -e "daemon/$name" ] ||
				echo "$name"
			;;
		std*.h | sys/socket.h | sys/types.h | sys/uio.h) ;;
		*) echo "$name" ;;
		esac
	done >"$tmp/out"
case_is "public headers include libc only"

# Mutable objects at file level: lines that begin in the first column, end in a
# semicolon or an initialiser, and are neither constants nor declarations.
grep -nE '^static [^(]*(;|= *[^=]*)$' lib/*.c |
	grep -vE ':static( inline)? (const |_Atomic const )|[*] ?const |enum [a-z_]+;|struct [a-z_]+;' \
	>"$tmp/out" || :
case_is "lib/ has no mutable globals"

# ---- public headers --------------------------------------------------------

cd "$top"
for header in lib/lined/*.h daemon/lined/*.h; do
	name=lined/${header##*/}
	for language in c c++; do
		standard=c11
		[ $language = c ] || standard=c++11
		if [ $language = c++ ]; then
			# Not every machine has a C++ compiler.
			echo 'int main() { return 0; }' >"$tmp/try.cc"
			$CC -x c++ -fsyntax-only "$tmp/try.cc" 2>/dev/null ||
				continue
		fi
		echo "#include <$name>" >"$tmp/alone.h.c"
		$CC -x $language -std=$standard -Wall -Wextra -Wpedantic \
			-Werror -fsyntax-only -I"$top/lib" -I"$top/daemon" \
			"$tmp/alone.h.c" >"$tmp/out" 2>&1 || :
		case_is "$name compiles alone as $standard"
	done
done

# A module in C++ has the same table of options. If a member's type does not fit
# the option, the module must not compile.
cat >"$tmp/options.cc" <<'EOF'
#include <lined/protocol.h>
enum pace { WALK, TROT };
struct options {
	int64_t size;
	pace way;
	int other;
	const char *word;
};
static const char *const words[] = {"walk", "trot", nullptr};
extern const lined_option table[];
const lined_option table[] = {
	{LINED_OPTION("size", SIZE, struct options, size), .max = 9},
	{LINED_OPTION("way", CHOICE, struct options, way), .choices = words},
	{LINED_OPTION("other", CHOICE, options, other), .choices = words},
	{LINED_OPTION("word", STRING, options, word), .fallback = "x"},
	{},
};
EOF
if $CC -x c++ -std=c++20 -fsyntax-only "$tmp/try.cc" 2>/dev/null; then
	compile="$CC -x c++ -std=c++20 -Wall -Werror -I$top/lib -I$top/daemon"
	$compile -fsyntax-only "$tmp/options.cc" \
		>"$tmp/out" 2>&1 || :
	case_is "LINED_OPTION compiles as C++"
	sed 's/int64_t size/bool size/' "$tmp/options.cc" >"$tmp/wrong.cc"
	$compile -fsyntax-only "$tmp/wrong.cc" 2>/dev/null &&
		echo "a bool stands for a size" >"$tmp/out"
	case_is "LINED_OPTION refuses a member of another type in C++"
fi

# Private headers must also compile alone.
for header in lib/*.h daemon/*.h daemon/*/*.h daemon/*/*/*.h \
	tools/*/*.h; do
	echo "#include \"$top/$header\"" >"$tmp/alone.h.c"
	$CC -x c -std=gnu11 -D_GNU_SOURCE -Wall -Werror -fsyntax-only \
		-I"$top/lib" -I"$top/daemon" -I"$top/tools" \
		-I"$top/daemon/protocols" ${CONFUSE_CFLAGS-} "$tmp/alone.h.c" 2>&1 | grep error
done >"$tmp/out" || :
case_is "every header of the tree compiles alone"

# The names at file level of a public header: macros, tags, enumerators,
# functions.
for header in lib/lined/*.h daemon/lined/*.h; do
	sed -nE 's/^#define[[:space:]]+([A-Za-z_0-9]+).*/\1/p' "$header"
	cp "$header" "$tmp/names.h"
	printf '#include <%s>\n' "lined/${header##*/}" |
		$CC -E -x c -std=c11 -I"$top/lib" -I"$top/daemon" - |
		awk -v want="/lined/${header##*/}\"" '
			/^# [0-9]+ / { mine = index($0, want) > 0; next }
			mine { print }' |
		tr '\n\t' '  ' |
		sed -E 's/__attribute__ *\(\([^()]*(\([^()]*\))?[^()]*\)\)/ /g;
			s/extern "C" \{//g; s/([;{}])/\1\n/g' |
		awk '
		# Only names at level 0, and enumerators.
		{
			text = $0
			if (depth == 0 && match(text, /(struct|enum|union) +[a-z_0-9]+ *\{/)) {
				tag = substr(text, RSTART, RLENGTH)
				sub(/^(struct|enum|union) +/, "", tag)
				sub(/ *\{/, "", tag)
				print tag
				enumeration = text ~ /enum/
			} else if (depth == 0 && match(text, /[A-Za-z_0-9]+ *\(/)) {
				name = substr(text, RSTART, RLENGTH)
				sub(/ *\(/, "", name)
				print name
			} else if (depth == 1 && enumeration) {
				n = split(text, part, ",")
				for (i = 1; i <= n; i++) {
					gsub(/=.*|[ }]/, "", part[i])
					if (part[i] != "")
						print part[i]
				}
			}
			depth += gsub(/\{/, "{", text) - gsub(/\}/, "}", text)
			if (depth == 0)
				enumeration = 0
		}'
done | sort -u >"$tmp/names"
grep -vE '^(lined_|LINED_)' "$tmp/names" >"$tmp/out" || :
[ "$(wc -l <"$tmp/names")" -gt 100 ] ||
	echo "only $(wc -l <"$tmp/names") names were found" >>"$tmp/out"
case_is "what a public header declares begins with lined_ or LINED_"

# ---- the daemon's dynamic symbols ------------------------------------------

# Every function of the public headers is exported for modules, and nothing
# without the prefix.
if [ -n "${LINED-}" ] && command -v nm >/dev/null; then
	# What bears a version is a copy of a library's object.
	nm -D --defined-only "$LINED" | awk '$3 !~ /@/ { print $3 }' |
		sort -u >"$tmp/exported"
	tests/public-functions.sh -I"$top/lib" -I"$top/daemon" \
		>"$tmp/declared"
	for page in man/lined-*.3; do
		sed -nE 's/^\.Nm (lined_[a-z_]+).*/\1/p' "$page" | sort -u \
			>"$tmp/named"
		# A named function must also be described, so that a page is
		# found by each name and says something about it.
		sed -nE 's/^\.(It )?Fn (lined_[a-z_]+).*/\2/p' "$page" |
			sort | uniq -d | grep -xFf "$tmp/named" || :
	done | sort -u >"$tmp/described"
	grep -vxFf "$tmp/described" "$tmp/declared" >"$tmp/out" || :
	case_is "every public function is in a manual"

	grep -vxFf "$tmp/exported" "$tmp/declared" >"$tmp/out" || :
	[ -s "$tmp/declared" ] || echo "nothing is declared" >>"$tmp/out"
	case_is "every public function can be found by a module"

	# Names of the linker, and of a sanitizer's runtime.
	grep -vE '^(lined_|_(init|fini|start|edata|end|IO_stdin_used)$|data_start$|__)' \
		"$tmp/exported" >"$tmp/out" || :
	case_is "lined exports nothing but the public functions"
fi

echo "Checks: $cases, Failures: $faults"
[ "$faults" = 0 ]
