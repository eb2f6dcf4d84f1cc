/* SPDX-License-Identifier: MIT */
/*
 * The laboratory's library: preloaded before the C library, it notes each place
 * where lined allocates memory or calls the system, and lets the one that
 * tests/laboratory/lab.py asks for fail. A place is the call and the chain of
 * return addresses up to some frames of lined's own, relative to their object:
 * the same in each process of one build. The table is a shared mapping, so that
 * the child processes of lined are seen, too.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <unwind.h>

/* ---- the table, as lab.py reads it ------------------------------------ */

#define DEPTH       32
#define PLACES_MAX  16384
#define OBJECTS_MAX 64
#define CALL_LEN    16

/* Of a fault: an errno, or one of these. */
#define FAULT_SHORT -1 /* one byte, where more was asked for */
#define FAULT_END   -2 /* the end of the file */

enum { FOR_ONCE, FROM_THEN_ON };

struct place {
	uint64_t key;
	uint32_t count, depth;
	char call[CALL_LEN];
	struct {
		uint32_t object, offset;
	} frames[DEPTH];
};

struct table {
	uint64_t target; /* the place that fails; 0: none, places are noted */
	int32_t fault;
	uint32_t how_long;
	uint32_t first;     /* the offset of its first frame */
	uint32_t is_memory; /* whether the target is an allocation */
	uint32_t is_over;   /* the driver: no more faults */
	uint32_t faults;    /* so many were made */
	uint32_t place_count, object_count, lock;
	char own[256]; /* the directory of lined's modules */
	char objects[OBJECTS_MAX][256];
	struct place places[PLACES_MAX];
};

static struct table *table;
static __thread bool is_inside
	__attribute__((tls_model("initial-exec"))); /* in this library */

/* ---- frames ----------------------------------------------------------- */

/* Frames of lined's own that tell one place from another. */
#define OWN_FRAMES_MEMORY 3
#define OWN_FRAMES_CALL   2

/* Objects by address, so that dladdr() is called once for each. */
struct known {
	_Atomic uintptr_t pc;
	uint32_t object, offset;
	uint32_t name_hash; /* objects are numbered as they come */
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
	/* The sanitizers', which differ from call to call. */
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
	/* Taken once, by the first: no reader sees it change. */
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

static bool fd_is_stream_socket(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_STREAM;
}

/* A connection that is said to be lost does not go on. */
static void connection_ends(int fd)
{
	int fault = table->fault;

	if ((fault == ECONNRESET || fault == EPIPE || fault == ETIMEDOUT ||
	     fault == ENOTCONN) &&
	    fd_is_stream_socket(fd))
		shutdown(fd, SHUT_RDWR);
}

/* Notes the place; whether its call fails now. may(fd, fault) says whether the
 * fault can occur at all. */
static bool place_fails(const char *call, bool is_memory, const void *caller,
			int fd, bool (*may)(int fd, int fault))
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
	/* Most calls are others': quickly. */
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

static void *next(const char *name)
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

	/* What lined starts is left alone. */
	if (path == NULL ||
	    readlink("/proc/self/exe", program, sizeof(program) - 1) < 0 ||
	    strcmp(strrchr(program, '/'), "/lined") != 0)
		return;
	is_inside = true;
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

#define CALLER __builtin_return_address(0)

/* ---- memory ----------------------------------------------------------- */

/* dlsym() may allocate before there is anything to allocate with. */
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

		if (copy != NULL && memory != NULL)
			memcpy(copy, memory, size); /* from `early` only */
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

/* A sanitizer's own would not call malloc(). */
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

/* ---- what may happen to a descriptor ---------------------------------- */

static bool fd_is(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

static bool fd_is_stream(int fd)
{
	if (fd_is(fd, S_IFSOCK))
		return fd_is_stream_socket(fd);
	return fd_is(fd, S_IFIFO) || fd_is(fd, S_IFREG) || fd_is(fd, S_IFCHR);
}

static bool fd_may(int fd, int fault)
{
	int flags;

	switch (fault) {
	case FAULT_SHORT:
		return fd_is_stream(fd);
	case FAULT_END: /* a file that is empty is none */
		return fd_is_stream(fd) && !fd_is(fd, S_IFREG);
	case EAGAIN:
		flags = fcntl(fd, F_GETFL);
		return flags >= 0 && (flags & O_NONBLOCK);
	case ECONNRESET:
	case ETIMEDOUT:
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENOBUFS:
		return fd_is(fd, S_IFSOCK);
	case EPIPE:
		return fd_is(fd, S_IFSOCK) || fd_is(fd, S_IFIFO);
	case ENOSPC:
		return fd_is(fd, S_IFREG);
	default:
		return true;
	}
}

/* ---- system calls ----------------------------------------------------- */

#define REAL(name)                                                             \
	static __typeof__(name) *real;                                         \
	if (real == NULL)                                                      \
	real = (__typeof__(name) *)next(#name)

/* What fails by returning `failed` and errno. */
#define CALL(type, failed, name, parameters, ...)                              \
	type name parameters                                                   \
	{                                                                      \
		REAL(name);                                                    \
		if (place_fails(#name, false, CALLER, -1, NULL)) {             \
			errno = table->fault;                                  \
			return failed;                                         \
		}                                                              \
		return real(__VA_ARGS__);                                      \
	}

/* The same for what has a descriptor as its first parameter. */
#define FD_CALL(type, failed, name, parameters, fd, ...)                       \
	type name parameters                                                   \
	{                                                                      \
		REAL(name);                                                    \
		if (place_fails(#name, false, CALLER, fd, fd_may)) {           \
			errno = table->fault;                                  \
			return failed;                                         \
		}                                                              \
		return real(fd, ##__VA_ARGS__);                                \
	}

/* What returns its errno. */
#define NUMBER_CALL(name, parameters, ...)                                     \
	int name parameters                                                    \
	{                                                                      \
		REAL(name);                                                    \
		if (place_fails(#name, false, CALLER, -1, NULL))               \
			return table->fault;                                   \
		return real(__VA_ARGS__);                                      \
	}

/* Reads and writes, which may be short. */
#define TRANSFER(name, parameters, size, fd, ...)                              \
	ssize_t name parameters                                                \
	{                                                                      \
		REAL(name);                                                    \
		if (size > 1 &&                                                \
		    place_fails(#name, false, CALLER, fd, fd_may)) {           \
			if (table->fault == FAULT_END)                         \
				return 0;                                      \
			if (table->fault != FAULT_SHORT) {                     \
				errno = table->fault;                          \
				return -1;                                     \
			}                                                      \
			size = 1;                                              \
		}                                                              \
		return real(fd, __VA_ARGS__);                                  \
	}

TRANSFER(read, (int fd, void *to, size_t len), len, fd, to, len)
TRANSFER(pread, (int fd, void *to, size_t len, off_t at), len, fd, to, len, at)
TRANSFER(recv, (int fd, void *to, size_t len, int flags), len, fd, to, len,
	 flags)
TRANSFER(write, (int fd, const void *from, size_t len), len, fd, from, len)
TRANSFER(pwrite, (int fd, const void *from, size_t len, off_t at), len, fd,
	 from, len, at)
TRANSFER(send, (int fd, const void *from, size_t len, int flags), len, fd, from,
	 len, flags)

/* By the first byte of the first piece. */
static bool vector_is_cut(const struct iovec *from, size_t count,
			  struct iovec *one)
{
	while (count > 0 && from->iov_len == 0)
		from++, count--;
	if (count == 0)
		return false;
	*one = (struct iovec){from->iov_base, 1};
	return true;
}

#define VECTORS(name)                                                          \
	ssize_t name(int fd, const struct iovec *pieces, int count)            \
	{                                                                      \
		struct iovec one;                                              \
		REAL(name);                                                    \
		if (place_fails(#name, false, CALLER, fd, fd_may)) {           \
			if (table->fault == FAULT_END)                         \
				return 0;                                      \
			if (table->fault != FAULT_SHORT) {                     \
				errno = table->fault;                          \
				return -1;                                     \
			}                                                      \
			if (vector_is_cut(pieces, (size_t)count, &one))        \
				return real(fd, &one, 1);                      \
		}                                                              \
		return real(fd, pieces, count);                                \
	}

VECTORS(readv)
VECTORS(writev)

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	struct msghdr cut = *message;
	struct iovec one;
	ssize_t n;
	REAL(recvmsg);

	if (place_fails("recvmsg", false, CALLER, fd, fd_may)) {
		if (table->fault == FAULT_END)
			return 0;
		if (table->fault != FAULT_SHORT) {
			errno = table->fault;
			return -1;
		}
		if (vector_is_cut(message->msg_iov, message->msg_iovlen,
				  &one)) {
			cut.msg_iov = &one;
			cut.msg_iovlen = 1;
			n = real(fd, &cut, flags);
			message->msg_namelen = cut.msg_namelen;
			message->msg_controllen = cut.msg_controllen;
			message->msg_flags = cut.msg_flags;
			return n;
		}
	}
	return real(fd, message, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct msghdr cut = *message;
	struct iovec one;
	REAL(sendmsg);

	if (place_fails("sendmsg", false, CALLER, fd, fd_may)) {
		if (table->fault != FAULT_SHORT) {
			errno = table->fault;
			return -1;
		}
		if (vector_is_cut(message->msg_iov, message->msg_iovlen,
				  &one)) {
			cut.msg_iov = &one;
			cut.msg_iovlen = 1;
			return real(fd, &cut, flags);
		}
	}
	return real(fd, message, flags);
}

/* Fails, but has closed. */
int close(int fd)
{
	bool fails;
	REAL(close);

	fails = place_fails("close", false, CALLER, fd, fd_may);
	if (real(fd) < 0)
		return -1;
	if (fails)
		errno = table->fault;
	return fails ? -1 : 0;
}

int fclose(FILE *file)
{
	bool fails;
	REAL(fclose);

	fails = place_fails("fclose", false, CALLER, -1, NULL);
	if (real(file) != 0)
		return EOF;
	if (fails)
		errno = table->fault;
	return fails ? EOF : 0;
}

#define WITH_MODE(name, parameters, ...)                                       \
	int name parameters                                                    \
	{                                                                      \
		va_list ap;                                                    \
		mode_t mode;                                                   \
		REAL(name);                                                    \
		va_start(ap, flags);                                           \
		mode = (mode_t)va_arg(ap, int);                                \
		va_end(ap);                                                    \
		if (place_fails(#name, false, CALLER, -1, NULL)) {             \
			errno = table->fault;                                  \
			return -1;                                             \
		}                                                              \
		return real(__VA_ARGS__, mode);                                \
	}

WITH_MODE(open, (const char *path, int flags, ...), path, flags)
WITH_MODE(openat, (int at, const char *path, int flags, ...), at, path, flags)

int fcntl(int fd, int command, ...)
{
	va_list ap;
	void *argument;
	REAL(fcntl);

	va_start(ap, command);
	argument = va_arg(ap, void *);
	va_end(ap);
	if (command != F_GETFL && command != F_GETFD &&
	    place_fails("fcntl", false, CALLER, fd, fd_may)) {
		errno = table->fault;
		return -1;
	}
	return real(fd, command, argument);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *argument;
	REAL(ioctl);

	va_start(ap, request);
	argument = va_arg(ap, void *);
	va_end(ap);
	if (place_fails("ioctl", false, CALLER, fd, fd_may)) {
		errno = table->fault;
		return -1;
	}
	return real(fd, request, argument);
}

int prctl(int option, ...)
{
	va_list ap;
	unsigned long a[4];
	int i;
	REAL(prctl);

	va_start(ap, option);
	for (i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (place_fails("prctl", false, CALLER, -1, NULL)) {
		errno = table->fault;
		return -1;
	}
	return real(option, a[0], a[1], a[2], a[3]);
}

CALL(int, -1, socket, (int family, int type, int protocol), family, type,
     protocol)
CALL(int, -1, socketpair, (int family, int type, int protocol, int fds[2]),
     family, type, protocol, fds)
FD_CALL(int, -1, accept4,
	(int fd, struct sockaddr *address, socklen_t *len, int flags), fd,
	address, len, flags)
FD_CALL(int, -1, bind, (int fd, const struct sockaddr *address, socklen_t len),
	fd, address, len)
FD_CALL(int, -1, listen, (int fd, int backlog), fd, backlog)
FD_CALL(int, -1, connect,
	(int fd, const struct sockaddr *address, socklen_t len), fd, address,
	len)
FD_CALL(int, -1, shutdown, (int fd, int how), fd, how)
FD_CALL(int, -1, getsockname, (int fd, struct sockaddr *to, socklen_t *len), fd,
	to, len)
FD_CALL(int, -1, getpeername, (int fd, struct sockaddr *to, socklen_t *len), fd,
	to, len)
FD_CALL(int, -1, getsockopt,
	(int fd, int level, int name, void *value, socklen_t *len), fd, level,
	name, value, len)
FD_CALL(int, -1, setsockopt,
	(int fd, int level, int name, const void *value, socklen_t len), fd,
	level, name, value, len)
CALL(int, -1, epoll_create1, (int flags), flags)
FD_CALL(int, -1, epoll_ctl, (int fd, int op, int of, struct epoll_event *event),
	fd, op, of, event)
FD_CALL(int, -1, epoll_wait,
	(int fd, struct epoll_event *events, int max, int ms), fd, events, max,
	ms)
CALL(int, -1, poll, (struct pollfd * fds, nfds_t count, int ms), fds, count, ms)
CALL(int, -1, ppoll,
     (struct pollfd * fds, nfds_t count, const struct timespec *time,
      const sigset_t *mask),
     fds, count, time, mask)
CALL(int, -1, eventfd, (unsigned value, int flags), value, flags)
CALL(int, -1, pipe2, (int fds[2], int flags), fds, flags)
CALL(int, -1, memfd_create, (const char *name, unsigned flags), name, flags)
CALL(int, -1, dup2, (int from, int to), from, to)
FD_CALL(off_t, -1, lseek, (int fd, off_t at, int from), fd, at, from)
FD_CALL(int, -1, ftruncate, (int fd, off_t size), fd, size)
FD_CALL(int, -1, flock, (int fd, int operation), fd, operation)
FD_CALL(int, -1, fstat, (int fd, struct stat *to), fd, to)
CALL(int, -1, stat, (const char *path, struct stat *to), path, to)
CALL(int, -1, lstat, (const char *path, struct stat *to), path, to)
CALL(int, -1, access, (const char *path, int mode), path, mode)
CALL(int, -1, faccessat, (int at, const char *path, int mode, int flags), at,
     path, mode, flags)
CALL(int, -1, chmod, (const char *path, mode_t mode), path, mode)
FD_CALL(int, -1, fchmod, (int fd, mode_t mode), fd, mode)
CALL(int, -1, fchownat,
     (int at, const char *path, uid_t user, gid_t group, int flags), at, path,
     user, group, flags)
CALL(int, -1, unlink, (const char *path), path)
CALL(int, -1, chdir, (const char *path), path)
CALL(char *, NULL, getcwd, (char *to, size_t size), to, size)
CALL(char *, NULL, realpath, (const char *path, char *to), path, to)
CALL(FILE *, NULL, fopen, (const char *path, const char *mode), path, mode)
CALL(FILE *, NULL, fmemopen, (void *from, size_t size, const char *mode), from,
     size, mode)
CALL(pid_t, -1, fork, (void))
CALL(int, -1, execve,
     (const char *path, char *const *argv, char *const *environment), path,
     argv, environment)
CALL(pid_t, -1, waitpid, (pid_t pid, int *status, int options), pid, status,
     options)
CALL(int, -1, waitid, (idtype_t type, id_t id, siginfo_t *info, int options),
     type, id, info, options)
CALL(int, -1, kill, (pid_t pid, int number), pid, number)
CALL(pid_t, -1, setsid, (void))
CALL(int, -1, getrlimit, (__rlimit_resource_t which, struct rlimit *limit),
     which, limit)
CALL(int, -1, setrlimit,
     (__rlimit_resource_t which, const struct rlimit *limit), which, limit)
CALL(int, -1, sched_getaffinity, (pid_t pid, size_t size, cpu_set_t *set), pid,
     size, set)
CALL(ssize_t, -1, getrandom, (void *to, size_t len, unsigned flags), to, len,
     flags)
FD_CALL(int, -1, tcgetattr, (int fd, struct termios *to), fd, to)
FD_CALL(int, -1, tcsetattr, (int fd, int when, const struct termios *to), fd,
	when, to)
CALL(int, -1, posix_openpt, (int flags), flags)
FD_CALL(int, -1, grantpt, (int fd), fd)
FD_CALL(int, -1, unlockpt, (int fd), fd)
NUMBER_CALL(ptsname_r, (int fd, char *to, size_t size), fd, to, size)
NUMBER_CALL(pthread_create,
	    (pthread_t * thread, const pthread_attr_t *attributes,
	     void *(*run)(void *), void *arg),
	    thread, attributes, run, arg)
NUMBER_CALL(posix_spawnp,
	    (pid_t * pid, const char *path,
	     const posix_spawn_file_actions_t *actions,
	     const posix_spawnattr_t *attributes, char *const *argv,
	     char *const *environment),
	    pid, path, actions, attributes, argv, environment)
NUMBER_CALL(getaddrinfo,
	    (const char *host, const char *service,
	     const struct addrinfo *hints, struct addrinfo **found),
	    host, service, hints, found)
NUMBER_CALL(glob,
	    (const char *pattern, int flags, int (*failed)(const char *, int),
	     glob_t *found),
	    pattern, flags, failed, found)
