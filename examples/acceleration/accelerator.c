#define _GNU_SOURCE
#include "accelerator.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Where counters and rings are in the region. */
enum { SUBMISSION_TAIL = 0, COMPLETION_TAIL = 128, COMPLETION_HEAD = 192, WORKER_WAITS = 256, CLIENT_WAITS = 320 };
enum { SUBMISSIONS = 4096, COMPLETIONS = SUBMISSIONS + RING_SLOTS * SLOT_BYTES };
/* Bytes that are sent, and slots that are shown, together; bytes that are received at once. */
enum { BATCH_BYTES = 32 * 1024, BATCH_SLOTS = 8, RECEIVE_BYTES = 128 * 1024 };
/* How long a ring is looked into before it is waited for; looks between two at the clock. */
enum { SPIN_NANOSECONDS = 50 * 1000, LOOKS = 64 };

static _Atomic uint32_t *cell(struct accelerator *self, size_t offset)
{
	return (_Atomic uint32_t *)(self->region + offset);
}

/* While looking again and again: leaves the core to its other thread, which may be the worker's. */
static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Makes room for `length` more bytes behind `end`. */
static int make_room(struct accelerator_buffer *self, size_t length)
{
	if (self->start == self->end)
		self->start = self->end = 0;
	if (self->room - self->end >= length)
		return 0;
	memmove(self->bytes, self->bytes + self->start, self->end - self->start);
	self->end -= self->start;
	self->start = 0;
	if (self->room - self->end >= length)
		return 0;
	/* Twice as much: what is left is moved once for many frames. */
	const size_t room = 2 * (self->end + length);
	uint8_t *larger = realloc(self->bytes, room);
	if (!larger)
		return -ENOMEM;
	self->bytes = larger;
	self->room = room;
	return 0;
}

/* Takes in what has come, if anything has. */
static int receive(struct accelerator *self)
{
	struct accelerator_buffer *incoming = &self->incoming;
	int result = make_room(incoming, RECEIVE_BYTES);

	if (result)
		return result;
	ssize_t count = recv(self->socket, incoming->bytes + incoming->end, RECEIVE_BYTES, MSG_DONTWAIT);
	if (count < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (count <= 0)
		return count < 0 ? -errno : -ECONNRESET;
	incoming->end += count;
	return 0;
}

/* Until something has come. Who waits in recv(2) is woken as well when the worker has taken what was sent: for nothing, twice over. */
static int wait_for_input(struct accelerator *self)
{
	struct pollfd input = { .fd = self->socket, .events = POLLIN };

	return poll(&input, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

/* Sends all that waits. The worker takes nothing in while nobody takes what it gives out: that is received meanwhile. */
static int send_waiting(struct accelerator *self)
{
	struct accelerator_buffer *outgoing = &self->outgoing;

	while (outgoing->start < outgoing->end) {
		ssize_t sent = send(self->socket, outgoing->bytes + outgoing->start, outgoing->end - outgoing->start,
				    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent >= 0) {
			outgoing->start += sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		struct pollfd either = { .fd = self->socket, .events = POLLIN | POLLOUT };
		if (poll(&either, 1, -1) < 0 && errno != EINTR)
			return -errno;
		int result = either.revents & ~POLLOUT ? receive(self) : 0;
		if (result)
			return result;
	}
	return 0;
}

/* Puts a frame behind those that wait; many are sent by one call. */
static int send_frame(struct accelerator *self, const struct accelerator_header *header, const void *metadata,
		      size_t made, const void *payload, size_t length)
{
	struct accelerator_buffer *outgoing = &self->outgoing;
	int result = make_room(outgoing, sizeof(*header) + made + length);

	if (result)
		return result;
	memcpy(outgoing->bytes + outgoing->end, header, sizeof(*header));
	if (made > 0)
		memcpy(outgoing->bytes + outgoing->end + sizeof(*header), metadata, made);
	if (length > 0)
		memcpy(outgoing->bytes + outgoing->end + sizeof(*header) + made, payload, length);
	outgoing->end += sizeof(*header) + made + length;
	return outgoing->end - outgoing->start < BATCH_BYTES ? 0 : send_waiting(self);
}

/* The WELCOME, and the descriptor that comes with it (-1: none does). */
static int receive_welcome(int socket, struct accelerator_header *welcome, int *descriptor)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr alignment;
	} control;
	struct iovec vector = { welcome, sizeof(*welcome) };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	if (count != sizeof(*welcome))
		return count < 0 ? -errno : -EPROTO;
	struct cmsghdr *passed = CMSG_FIRSTHDR(&message);
	*descriptor = -1;
	if (passed && passed->cmsg_type == SCM_RIGHTS)
		memcpy(descriptor, CMSG_DATA(passed), sizeof(int));
	return 0;
}

int accelerator_open(struct accelerator *self, const char *path, uint32_t epoch, const uint8_t token[TOKEN_BYTES],
		     uint64_t shared_bytes, uint16_t wishes)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct accelerator_header welcome, hello = { .inline_length = TOKEN_BYTES, .type = FRAME_HELLO, .version = 1,
						     .epoch = epoch, .input_offset = shared_bytes };
	int descriptor = -1, result;

	memset(self, 0, sizeof(*self));
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	hello.flags = shared_bytes ? FLAG_INPUT_SHARED | wishes : wishes & ~FLAG_RINGS;
	self->epoch = epoch;
	self->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (self->socket < 0)
		return -errno;
	if (connect(self->socket, (struct sockaddr *)&address, sizeof(address)) < 0)
		result = -errno;
	else if (!(result = send_frame(self, &hello, NULL, 0, token, TOKEN_BYTES)) && !(result = send_waiting(self)) &&
		 !(result = receive_welcome(self->socket, &welcome, &descriptor)))
		result = welcome.code;
	if (result == 0 && descriptor >= 0) {
		self->region_length = welcome.input_offset;
		self->payload_offset = welcome.output_offset;
		self->rings = (welcome.flags & FLAG_RINGS) != 0;
		self->region = mmap(NULL, self->region_length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
		close(descriptor);
		if (self->region == MAP_FAILED) {
			self->region = NULL;
			result = -ENOMEM;
		}
	}
	if (result != 0)
		accelerator_close(self);
	return result;
}

void accelerator_close(struct accelerator *self)
{
	if (self->region)
		munmap(self->region, self->region_length);
	self->region = NULL;
	free(self->outgoing.bytes);
	free(self->incoming.bytes);
	close(self->socket);
}

int accelerator_submit(struct accelerator *self, struct accelerator_header header, const void *metadata,
		       const void *payload)
{
	size_t made = header.metadata_eights * 8, data = header.flags & FLAG_INPUT_SHARED ? 0 : header.input_length;

	header.type = FRAME_SUBMIT;
	header.version = 1;
	header.epoch = self->epoch;
	header.inline_length = made + data;
	if (!self->rings || made + sizeof(header) > SLOT_BYTES)
		return send_frame(self, &header, metadata, made, payload, data);
	uint8_t *slot = self->region + SUBMISSIONS + self->submitted % RING_SLOTS * SLOT_BYTES;
	memcpy(slot, &header, sizeof(header));
	memcpy(slot + sizeof(header), metadata, made);
	self->submitted++;
	return self->submitted - self->published < BATCH_SLOTS ? 0 : accelerator_flush(self);
}

int accelerator_flush(struct accelerator *self)
{
	struct accelerator_header wake = { .type = FRAME_WAKE, .version = 1 };
	uint32_t waits = 1;
	int result = 0;

	if (self->submitted != self->published) {
		self->published = self->submitted;
		atomic_store(cell(self, SUBMISSION_TAIL), self->published);
		if (atomic_load(cell(self, WORKER_WAITS)) &&
		    atomic_compare_exchange_strong(cell(self, WORKER_WAITS), &waits, 0))
			result = send_frame(self, &wake, NULL, 0, NULL, 0);
	}
	return result ? result : send_waiting(self);
}

static int64_t monotonic_nanoseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int has_arrived(struct accelerator *self)
{
	self->arrived = atomic_load(cell(self, COMPLETION_TAIL));
	return self->arrived != self->completed;
}

/* Takes what has come over the socket while jobs go in rings: somebody was woken, and nothing else. */
static int take_wakes(struct accelerator *self)
{
	struct accelerator_buffer *incoming = &self->incoming;
	struct accelerator_header header;
	int result = receive(self);

	for (; !result && incoming->end - incoming->start >= sizeof(header); incoming->start += sizeof(header)) {
		memcpy(&header, incoming->bytes + incoming->start, sizeof(header));
		if (header.type != FRAME_WAKE)
			result = -ECONNABORTED;
	}
	return result;
}

/* Looks for a while, as that is the fastest way, and then waits to be woken: who looks has a core for itself. */
static int wait_for_ring(struct accelerator *self)
{
	const int64_t until = monotonic_nanoseconds() + SPIN_NANOSECONDS;
	int result;

	do
		for (int look = 0; look < LOOKS; look++, relax())
			if (has_arrived(self))
				return 0;
	while (monotonic_nanoseconds() < until);
	for (;;) {
		atomic_store(cell(self, CLIENT_WAITS), 1);
		/* The worker may have looked whether somebody waits just before. */
		if (has_arrived(self)) {
			atomic_store(cell(self, CLIENT_WAITS), 0);
			return 0;
		}
		if ((result = wait_for_input(self)) || (result = take_wakes(self)))
			return result;
	}
}

/* Each look takes the counter's cache line from the worker: only once all is used that was there at the last. */
static int complete_in_ring(struct accelerator *self, struct accelerator_header *header, void *body, size_t room)
{
	const uint8_t *slot = self->region + COMPLETIONS + self->completed % RING_SLOTS * SLOT_BYTES;

	if (self->arrived == self->completed) {
		int result = accelerator_flush(self);
		if (result || (!has_arrived(self) && (result = wait_for_ring(self))))
			return result;
	}
	memcpy(header, slot, sizeof(*header));
	if (header->inline_length > room || header->inline_length > SLOT_BYTES - sizeof(*header))
		return -EMSGSIZE;
	memcpy(body, slot + sizeof(*header), header->inline_length);
	atomic_store(cell(self, COMPLETION_HEAD), ++self->completed);
	return 0;
}

int accelerator_complete(struct accelerator *self, struct accelerator_header *header, void *body, size_t room)
{
	struct accelerator_buffer *incoming = &self->incoming;

	if (self->rings)
		return complete_in_ring(self, header, body, room);
	for (;;) {
		const size_t there = incoming->end - incoming->start;
		if (there >= sizeof(*header)) {
			memcpy(header, incoming->bytes + incoming->start, sizeof(*header));
			if (header->type != FRAME_COMPLETE)
				return -ECONNABORTED;
			if (header->inline_length > room)
				return -EMSGSIZE;
			if (there >= sizeof(*header) + header->inline_length)
				break;
		}
		int result = accelerator_flush(self);
		if (result || (result = receive(self)))
			return result;
		if (incoming->end - incoming->start == there && (result = wait_for_input(self)))
			return result;
	}
	memcpy(body, incoming->bytes + incoming->start + sizeof(*header), header->inline_length);
	incoming->start += sizeof(*header) + header->inline_length;
	return 0;
}
