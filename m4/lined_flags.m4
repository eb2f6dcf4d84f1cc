dnl SPDX-License-Identifier: MIT
dnl Flags are asked of the compiler one by one and those it knows are kept, so
dnl that an older or a different one builds lined with what it has.

dnl LINED_TRY_CFLAGS(VARIABLE, FLAGS): appends to VARIABLE the flags that the
dnl compiler takes without a warning.
AC_DEFUN([LINED_TRY_CFLAGS], [
	lined_save_CFLAGS=$CFLAGS
	for lined_flag in m4_normalize([$2]); do
		AC_MSG_CHECKING([whether $CC takes $lined_flag])
		CFLAGS="$lined_save_CFLAGS -Werror $$1 $lined_flag"
		AC_LINK_IFELSE([AC_LANG_PROGRAM()],
			[AC_MSG_RESULT([yes]); $1="$$1 $lined_flag"],
			[AC_MSG_RESULT([no])])
	done
	CFLAGS=$lined_save_CFLAGS
	AC_SUBST([$1])
])

dnl LINED_TRY_LDFLAGS(VARIABLE, FLAGS, [CFLAGS]): the same for the linker.
AC_DEFUN([LINED_TRY_LDFLAGS], [
	lined_save_CFLAGS=$CFLAGS
	lined_save_LDFLAGS=$LDFLAGS
	CFLAGS="$CFLAGS $3"
	for lined_flag in m4_normalize([$2]); do
		AC_MSG_CHECKING([whether the linker takes $lined_flag])
		LDFLAGS="$lined_save_LDFLAGS $$1 $lined_flag"
		AC_LINK_IFELSE([AC_LANG_PROGRAM()],
			[AC_MSG_RESULT([yes]); $1="$$1 $lined_flag"],
			[AC_MSG_RESULT([no])])
	done
	CFLAGS=$lined_save_CFLAGS
	LDFLAGS=$lined_save_LDFLAGS
	AC_SUBST([$1])
])

dnl LINED_TRY_FORTIFY: adds -D_FORTIFY_SOURCE to HARDEN_CFLAGS, 3 where the C
dnl library has it and 2 elsewhere. The library warns where optimisation is
dnl off, and where the compiler has set a level of its own: both leave it out.
AC_DEFUN([LINED_TRY_FORTIFY], [
	lined_save_CFLAGS=$CFLAGS
	for lined_level in 3 2; do
		lined_flag="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$lined_level"
		AC_MSG_CHECKING([whether _FORTIFY_SOURCE=$lined_level works])
		CFLAGS="$lined_save_CFLAGS -Werror $lined_flag"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]])],
			[AC_MSG_RESULT([yes])
			 HARDEN_CFLAGS="$HARDEN_CFLAGS $lined_flag"
			 break],
			[AC_MSG_RESULT([no])])
	done
	CFLAGS=$lined_save_CFLAGS
])
