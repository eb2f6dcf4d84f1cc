/* SPDX-License-Identifier: MIT */
/*
 * The library of the laboratory. It is preloaded before the C library, notes
 * each place where lined allocates memory or calls the system, and makes the
 * place fail that tests/laboratory/lab.py asks for. A place is a call and its
 * chain of return addresses, up to some frames of lined's own. Addresses are
 * relative to their object, so that they are the same in each process of one
 * build. The table is a shared mapping, so that it includes the child processes
 * of lined. This file has the allocations, refuse_calls.c the system calls.
 */
#include "refuse.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unwind.h>

struct table *table;

static __thread bool is_inside
	__attribute__((tls_model("initial-exec"))); /* initial-exec: access to
						     * the variable must not
						     * allocate */

/* ---- frames ----------------------------------------------------------- */

/* How many frames of lined's own distinguish places. */
#define OWN_FRAMES_MEMORY 3
#define OWN_FRAMES_CALL   2

/* Results of dladdr() by address, so that it is called once for each
 * address. */
struct known {
	_Atomic uintptr_t pc;
	uint32_t object, offset;
	uint32_t name_hash; /* object numbers depend on the order of calls,
			     * names do not */
	bool is_own, is_skipped;
};

#define KNOWN_MAX 65536
static struct known known[KNOWN_MAX];
static const void *program_base;

static uint32_t object_number(const char *name)
{
	uint32_t i;

	while (__atomic_exchange_n(&table->lock, 1, __ATOMIC_ACQUIRE))
		;
	for (i = 0; i < table->object_count; i++)
		if (strcmp(table->objects[i], name) == 0)
			break;
	if (i == table->object_count && i < OBJECTS_MAX) {
		strncpy(table->objects[i], name, sizeof(table->objects[i]) - 1);
		table->object_count++;
	}
	__atomic_store_n(&table->lock, 0, __ATOMIC_RELEASE);
	return i;
}

static void frame_describe(uintptr_t pc, struct known *frame)
{
	Dl_info info;
	const char *name, *c;

	*frame = (struct known){.is_skipped = true};
	if (!dladdr((void *)(pc - 1), &info) || info.dli_fname == NULL)
		return;
	name = info.dli_fbase == program_base ? "lined" : info.dli_fname;
	frame->object = object_number(name);
	for (c = name; *c != '\0'; c++)
		frame->name_hash = frame->name_hash * 31 + (unsigned char)*c;
	frame->offset = (uint32_t)(pc - (uintptr_t)info.dli_fbase);
	frame->is_own = info.dli_fbase == program_base ||
			strncmp(name, table->own, strlen(table->own)) == 0;
	/* Frames of sanitizers differ from call to call. */
	frame->is_skipped = strstr(name, "libasan") != NULL ||
			    strstr(name, "refuse.so") != NULL;
}

static struct known frame_find(uintptr_t pc)
{
	struct known *slot = &known[(pc * UINT64_C(0x9e3779b97f4a7c15)) >> 48];
	struct known frame;

	if (atomic_load_explicit(&slot->pc, memory_order_acquire) == pc)
		return *slot;
	frame_describe(pc, &frame);
	/* Only the first thread fills the slot, so no reader sees it change. */
	if (slot->pc == 0) {
		uintptr_t none = 0;

		if (__atomic_compare_exchange_n(&slot->pc, &none, (uintptr_t)1,
						false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED)) {
			slot->object = frame.object;
			slot->offset = frame.offset;
			slot->name_hash = frame.name_hash;
			slot->is_own = frame.is_own;
			slot->is_skipped = frame.is_skipped;
			__atomic_store_n(&slot->pc, pc, __ATOMIC_RELEASE);
		}
	}
	return frame;
}

struct chain {
	struct place place;
	unsigned own, own_wanted;
	uint64_t hash;
};

static _Unwind_Reason_Code chain_add(struct _Unwind_Context *context, void *arg)
{
	struct chain *chain = arg;
	uintptr_t pc = _Unwind_GetIP(context);
	struct known frame;

	if (pc == 0 || chain->place.depth == DEPTH)
		return _URC_END_OF_STACK;
	frame = frame_find(pc);
	if (frame.is_skipped)
		return _URC_NO_REASON;
	chain->place.frames[chain->place.depth].object = frame.object;
	chain->place.frames[chain->place.depth++].offset = frame.offset;
	chain->hash = (chain->hash ^ frame.name_hash) * UINT64_C(0x100000001b3);
	chain->hash = (chain->hash ^ frame.offset) * UINT64_C(0x100000001b3);
	chain->own += frame.is_own;
	return chain->own == chain->own_wanted ? _URC_END_OF_STACK
					       : _URC_NO_REASON;
}

/* ---- places ----------------------------------------------------------- */

static void place_note(const struct chain *chain)
{
	uint32_t i = (uint32_t)(chain->hash % PLACES_MAX), tries;
	struct place *place;

	for (tries = 0; tries < PLACES_MAX; tries++, i = (i + 1) % PLACES_MAX) {
		uint64_t none = 0;

		place = &table->places[i];
		if (place->key == chain->hash ||
		    (!__atomic_compare_exchange_n(
			     &place->key, &none, chain->hash, false,
			     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) &&
		     none == chain->hash)) {
			__atomic_add_fetch(&place->count, 1, __ATOMIC_RELAXED);
			return;
		}
		if (none != 0)
			continue;
		place->depth = chain->place.depth;
		memcpy(place->call, chain->place.call, CALL_LEN);
		memcpy(place->frames, chain->place.frames,
		       sizeof(place->frames));
		place->count = 1;
		__atomic_add_fetch(&table->place_count, 1, __ATOMIC_RELAXED);
		return;
	}
}

static bool fault_begins(void)
{
	uint32_t none = 0;

	if (table->how_long == FROM_THEN_ON) {
		__atomic_add_fetch(&table->faults, 1, __ATOMIC_RELAXED);
		return true;
	}
	return __atomic_compare_exchange_n(&table->faults, &none, 1, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

bool fd_is_stream_socket(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_STREAM;
}

/* If lined is told that a connection is lost, it must really be lost. */
static void connection_ends(int fd)
{
	int fault = table->fault;

	if ((fault == ECONNRESET || fault == EPIPE || fault == ETIMEDOUT ||
	     fault == ENOTCONN) &&
	    fd_is_stream_socket(fd))
		shutdown(fd, SHUT_RDWR);
}

bool place_fails(const char *call, bool is_memory, const void *caller, int fd,
		 bool (*may)(int fd, int fault))
{
	struct chain chain;
	int saved = errno;
	bool fails = false;

	if (table == NULL || is_inside || table->is_over ||
	    (table->target != 0 && table->is_memory != is_memory))
		return false;
	if (is_memory && table->target != 0 && table->faults > 0) {
		if (table->how_long == FOR_ONCE)
			return false;
		__atomic_add_fetch(&table->faults, 1, __ATOMIC_RELAXED);
		return true;
	}
	is_inside = true;
	/* Most calls are at other places: compare the first frame only, which
	 * is fast. */
	if (table->target != 0) {
		struct known frame = frame_find((uintptr_t)caller);

		if (!frame.is_skipped && frame.offset != table->first) {
			is_inside = false;
			errno = saved;
			return false;
		}
	}
	memset(&chain.place, 0, offsetof(struct place, frames));
	strncpy(chain.place.call, call, CALL_LEN - 1);
	chain.own = 0;
	chain.own_wanted = is_memory ? OWN_FRAMES_MEMORY : OWN_FRAMES_CALL;
	chain.hash = UINT64_C(0xcbf29ce484222325);
	for (; *call != '\0'; call++)
		chain.hash = (chain.hash ^ (unsigned char)*call) *
			     UINT64_C(0x100000001b3);
	_Unwind_Backtrace(chain_add, &chain);
	if (chain.own > 0) {
		if (table->target == 0)
			place_note(&chain);
		else if (table->target == chain.hash &&
			 (may == NULL || may(fd, table->fault)))
			fails = fault_begins();
		if (fails && fd >= 0)
			connection_ends(fd);
	}
	is_inside = false;
	errno = saved;
	return fails;
}

void *next(const char *name)
{
	bool saved = is_inside;
	void *function;

	is_inside = true;
	function = dlsym(RTLD_NEXT, name);
	is_inside = saved;
	return function;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("LABORATORY");
	char program[256] = "";
	Dl_info info;
	int fd;

	/* Faults are for lined itself, not for programs that it starts. */
	if (path == NULL ||
	    readlink("/proc/self/exe", program, sizeof(program) - 1) < 0 ||
	    strcmp(strrchr(program, '/'), "/lined") != 0)
		return;
	is_inside = true;
	/* glibc 2.36 crashes if the first lookup of any name has no memory.
	 * Such a lookup may be made by a resolver thread: make one here. */
	getpwuid(0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && dladdr((void *)getauxval(AT_ENTRY), &info)) {
		void *memory = mmap(NULL, sizeof(*table),
				    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		program_base = info.dli_fbase;
		if (memory != MAP_FAILED)
			table = memory;
	}
	if (fd >= 0)
		close(fd);
	is_inside = false;
}

/* ---- memory ----------------------------------------------------------- */

/* dlsym() may allocate before the real malloc() is known. */
static char early[65536] __attribute__((aligned(16)));
static size_t early_used;

static void *early_alloc(size_t size)
{
	void *memory = early + early_used;

	size = (size + 15) & ~(size_t)15;
	if (early_used + size > sizeof(early))
		abort();
	early_used += size;
	return memory;
}

/* The bytes of `early` from here on. */
static size_t early_after(const void *memory)
{
	return (size_t)(early + sizeof(early) - (const char *)memory);
}

static bool is_early(const void *memory)
{
	return (const char *)memory >= early &&
	       (const char *)memory < early + sizeof(early);
}

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void (*next_free)(void *);

static bool memory_is_ready(void)
{
	static bool is_resolving;

	if (next_free != NULL)
		return true;
	if (is_resolving)
		return false;
	is_resolving = true;
	next_malloc = (void *(*)(size_t))next("malloc");
	next_calloc = (void *(*)(size_t, size_t))next("calloc");
	next_realloc = (void *(*)(void *, size_t))next("realloc");
	next_free = (void (*)(void *))next("free");
	is_resolving = false;
	return true;
}

static bool memory_fails(const char *call, const void *caller)
{
	if (!place_fails(call, true, caller, -1, NULL))
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	if (!memory_is_ready())
		return early_alloc(size);
	return memory_fails("malloc", CALLER) ? NULL : next_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	if (!memory_is_ready())
		return early_alloc(count * size);
	return memory_fails("calloc", CALLER) ? NULL : next_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	if (!memory_is_ready() || is_early(memory)) {
		void *copy = malloc(size);

		/* The blocks in `early` have no recorded size. */
		if (copy != NULL && memory != NULL)
			memcpy(copy, memory, MIN(size, early_after(memory)));
		return copy;
	}
	if (size != 0 && memory_fails("realloc", CALLER))
		return NULL;
	return next_realloc(memory, size);
}

void *reallocarray(void *memory, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(memory, count * size);
}

void free(void *memory)
{
	if (memory != NULL && !is_early(memory) && memory_is_ready())
		next_free(memory);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	int (*real)(void **, size_t, size_t) =
		(int (*)(void **, size_t, size_t))next("posix_memalign");

	return memory_fails("posix_memalign", CALLER)
		       ? ENOMEM
		       : real(memory, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	void *(*real)(size_t, size_t) =
		(void *(*)(size_t, size_t))next("aligned_alloc");

	return memory_fails("aligned_alloc", CALLER) ? NULL
						     : real(alignment, size);
}

/* The strndup() of a sanitizer would not call malloc(). */
char *strndup(const char *text, size_t len)
{
	char *copy;

	len = strnlen(text, len);
	copy = malloc(len + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *strdup(const char *text)
{
	return strndup(text, strlen(text));
}
