/* SPDX-License-Identifier: MIT */
/*
 * Finds writable global variables in the symbol tables of ELF files.
 */
#include "config.h"

#include "linetest/module_globals.h"

#include <fcntl.h>
#include <glob.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file in memory, and its table of sections. */
struct elf {
	const char *data;
	size_t size;
	const ElfW(Shdr) * sections;
	size_t section_count;
};

/* False: not an ELF file of this machine, or damaged. */
static bool elf_init(struct elf *elf, const char *data, size_t size)
{
	const ElfW(Ehdr) *head = (const void *)data;

	if (size < sizeof(*head) || memcmp(data, ELFMAG, SELFMAG) != 0 ||
	    data[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
	    head->e_shentsize != sizeof(ElfW(Shdr)) || head->e_shoff > size ||
	    head->e_shoff % _Alignof(ElfW(Shdr)) != 0 ||
	    (size - head->e_shoff) / sizeof(ElfW(Shdr)) < head->e_shnum ||
	    head->e_shstrndx >= head->e_shnum)
		return false;
	elf->data = data;
	elf->size = size;
	elf->sections = (const void *)(data + head->e_shoff);
	elf->section_count = head->e_shnum;
	return true;
}

/* A text in a section of strings; "" if there is none. */
static const char *elf_text(const struct elf *elf, size_t section,
			    size_t offset)
{
	const ElfW(Shdr) * strings;

	if (section >= elf->section_count)
		return "";
	strings = &elf->sections[section];
	if (strings->sh_offset > elf->size ||
	    strings->sh_size > elf->size - strings->sh_offset ||
	    offset >= strings->sh_size ||
	    elf->data[strings->sh_offset + strings->sh_size - 1] != '\0')
		return "";
	return elf->data + strings->sh_offset + offset;
}

static bool elf_name_begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Whether a symbol is a variable in a section that stays writable. Thread-local
 * variables and reserved names (compiler, sanitizers) are left out. */
static bool elf_is_global(const struct elf *elf, const ElfW(Sym) * symbol,
			  const char *name)
{
	const ElfW(Ehdr) *head = (const void *)elf->data;
	const ElfW(Shdr) * section;
	const char *place;

	if ((symbol->st_info & 0xf) != STT_OBJECT || symbol->st_size == 0 ||
	    symbol->st_shndx >= elf->section_count || name[0] == '_' ||
	    name[0] == '\0' || elf_name_begins(name, "completed."))
		return false;
	section = &elf->sections[symbol->st_shndx];
	place = elf_text(elf, head->e_shstrndx, section->sh_name);
	return section->sh_flags & SHF_WRITE &&
	       !(section->sh_flags & SHF_TLS) &&
	       (elf_name_begins(place, ".bss") ||
		(elf_name_begins(place, ".data") &&
		 !elf_name_begins(place, ".data.rel.ro")));
}

static void elf_add_globals(const struct elf *elf, const char *path,
			    struct bytes *found)
{
	const ElfW(Shdr) *end = elf->sections + elf->section_count, *at;
	const char *name, *before = ": ";
	size_t i;

	for (at = elf->sections; at < end; at++) {
		const ElfW(Sym) * symbols;

		if (at->sh_type != SHT_SYMTAB || at->sh_offset > elf->size ||
		    at->sh_offset % _Alignof(ElfW(Sym)) != 0 ||
		    at->sh_size > elf->size - at->sh_offset)
			continue;
		symbols = (const void *)(elf->data + at->sh_offset);
		for (i = 0; i < at->sh_size / sizeof(*symbols); i++) {
			name = elf_text(elf, at->sh_link, symbols[i].st_name);
			if (!elf_is_global(elf, &symbols[i], name))
				continue;
			bytes_add_format(found, "%s%s%s",
					 *before == ':' ? path : "", before,
					 name);
			before = ", ";
		}
	}
	if (*before == ',')
		bytes_add_byte(found, '\n');
}

static void module_find(const char *path, struct bytes *found)
{
	struct elf elf;
	struct stat info;
	void *data = MAP_FAILED;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
		data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE,
			    fd, 0);
	close(fd);
	if (data == MAP_FAILED)
		return;
	if (elf_init(&elf, data, (size_t)info.st_size))
		elf_add_globals(&elf, path, found);
	munmap(data, (size_t)info.st_size);
}

void module_globals_find(const char *dir, struct bytes *found)
{
	char *pattern = memory_format("%s/*.so", dir);
	glob_t files;
	size_t i;

	if (glob(pattern, 0, NULL, &files) == 0) {
		for (i = 0; i < files.gl_pathc; i++)
			module_find(files.gl_pathv[i], found);
		globfree(&files);
	}
	free(pattern);
}
