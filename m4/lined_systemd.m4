dnl SPDX-License-Identifier: MIT

dnl LINED_SYSTEMD_DIR(NAME, IN-PREFIX, HELP): --with-NAME=DIR, a directory that
dnl systemd reads. By default the one that systemd itself names; below the
dnl prefix where that is somebody's own ($lined_own_prefix), so that nothing
dnl leaves it; and none without systemd, or without the units.
AC_DEFUN([LINED_SYSTEMD_DIR], [
	AC_ARG_WITH([$1], [AS_HELP_STRING([--with-$1=DIR], [$3])],
		[], [with_$1=auto])
	AS_CASE([$with_$1], [auto|yes], [
		with_$1=`$PKG_CONFIG --variable=$1 systemd 2>/dev/null`
		AS_IF([test -z "$with_$1" ||
		       test "x$with_systemdsystemunitdir" = xno],
			[with_$1=no],
			[test $lined_own_prefix = yes],
			[with_$1='${prefix}/$2'])])
	AC_SUBST([$1], [$with_$1])
])
