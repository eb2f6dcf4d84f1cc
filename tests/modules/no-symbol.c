/* SPDX-License-Identifier: MIT */
/*
 * A shared object that is no module, for test-module.
 */
int something_else(void);

int something_else(void)
{
	return 0;
}
