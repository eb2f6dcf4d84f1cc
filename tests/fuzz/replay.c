/* SPDX-License-Identifier: MIT */
/*
 * Takes the place of libFuzzer: gives a fuzzer each file on the command line
 * once. tests/fuzz/run links it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#pragma weak LLVMFuzzerInitialize

int main(int argc, char **argv)
{
	static uint8_t input[1 << 20];
	uint8_t *data;
	size_t size;
	FILE *file;
	int i;

	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	for (i = 1; i < argc; i++) {
		file = fopen(argv[i], "r");
		if (file == NULL) {
			perror(argv[i]);
			return EXIT_FAILURE;
		}
		size = fread(input, 1, sizeof(input), file);
		fclose(file);
		/* A copy of exactly this length, so that a sanitizer finds a
		 * read past its end. */
		data = malloc(size + (size == 0));
		if (data == NULL)
			return EXIT_FAILURE;
		memcpy(data, input, size);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	return EXIT_SUCCESS;
}
