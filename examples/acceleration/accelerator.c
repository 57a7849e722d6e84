#define _GNU_SOURCE
#include "accelerator.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Where counters and rings are in the region. */
enum { SUBMISSION_TAIL = 0, COMPLETION_TAIL = 128, COMPLETION_HEAD = 192, WORKER_WAITS = 256 };
enum { SUBMISSIONS = 4096, COMPLETIONS = SUBMISSIONS + RING_SLOTS * SLOT_BYTES };

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

/* All parts, if it can be by one call. */
static int send_parts(int socket, struct iovec *parts, size_t count)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };

	for (;;) {
		ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		while (message.msg_iovlen > 0 && (size_t)sent >= message.msg_iov->iov_len) {
			sent -= message.msg_iov->iov_len;
			message.msg_iov++;
			message.msg_iovlen--;
		}
		if (message.msg_iovlen == 0)
			return 0;
		message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
		message.msg_iov->iov_len -= sent;
	}
}

static int send_frame(int socket, const struct accelerator_header *header, const void *metadata, size_t made,
		      const void *payload, size_t length)
{
	struct iovec parts[] = { { (void *)header, sizeof(*header) }, { (void *)metadata, made },
				 { (void *)payload, length } };

	return send_parts(socket, parts, 3);
}

static int receive_all(int socket, void *bytes, size_t length)
{
	for (char *at = bytes; length > 0;) {
		ssize_t count = recv(socket, at, length, 0);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count < 0 ? -errno : -ECONNRESET;
		at += count;
		length -= count;
	}
	return 0;
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
		     uint64_t shared_bytes, int rings)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct accelerator_header welcome, hello = { .inline_length = TOKEN_BYTES, .type = FRAME_HELLO, .version = 1,
						     .epoch = epoch, .input_offset = shared_bytes };
	int descriptor = -1, result;

	memset(self, 0, sizeof(*self));
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	hello.flags = shared_bytes ? FLAG_INPUT_SHARED | (rings ? FLAG_RINGS : 0) : 0;
	self->epoch = epoch;
	self->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (self->socket < 0)
		return -errno;
	if (connect(self->socket, (struct sockaddr *)&address, sizeof(address)) < 0)
		result = -errno;
	else if (!(result = send_frame(self->socket, &hello, NULL, 0, token, TOKEN_BYTES)) &&
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
	if (self->rings && made + sizeof(header) <= SLOT_BYTES) {
		uint8_t *slot = self->region + SUBMISSIONS + self->submitted % RING_SLOTS * SLOT_BYTES;
		struct accelerator_header wake = { .type = FRAME_WAKE, .version = 1 };
		uint32_t waits = 1;

		memcpy(slot, &header, sizeof(header));
		memcpy(slot + sizeof(header), metadata, made);
		atomic_store(cell(self, SUBMISSION_TAIL), ++self->submitted);
		if (atomic_load(cell(self, WORKER_WAITS)) &&
		    atomic_compare_exchange_strong(cell(self, WORKER_WAITS), &waits, 0))
			return send_frame(self->socket, &wake, NULL, 0, NULL, 0);
		return 0;
	}
	return send_frame(self->socket, &header, metadata, made, payload, data);
}

int accelerator_complete(struct accelerator *self, struct accelerator_header *header, void *body, size_t room)
{
	int result;

	if (self->rings) {
		uint8_t *slot = self->region + COMPLETIONS + self->completed % RING_SLOTS * SLOT_BYTES;

		while (atomic_load(cell(self, COMPLETION_TAIL)) == self->completed)
			relax();
		memcpy(header, slot, sizeof(*header));
		if (header->inline_length > room || header->inline_length > SLOT_BYTES - sizeof(*header))
			return -EMSGSIZE;
		memcpy(body, slot + sizeof(*header), header->inline_length);
		atomic_store(cell(self, COMPLETION_HEAD), ++self->completed);
		return 0;
	}
	if ((result = receive_all(self->socket, header, sizeof(*header))))
		return result;
	if (header->type != FRAME_COMPLETE)
		return -ECONNABORTED;
	return header->inline_length > room ? -EMSGSIZE : receive_all(self->socket, body, header->inline_length);
}
