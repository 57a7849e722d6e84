/*
 * The data path of an acceleration session in C, as docs/acceleration.md describes it: frames, shared memory, rings.
 * Little-endian Linux. One thread uses a session at a time.
 */
#ifndef OUTBOARD_ACCELERATOR_H
#define OUTBOARD_ACCELERATOR_H

#include <stddef.h>
#include <stdint.h>

enum accelerator_frame { FRAME_HELLO = 1, FRAME_WELCOME, FRAME_SUBMIT, FRAME_COMPLETE };
enum accelerator_flag { FLAG_INPUT_SHARED = 1, FLAG_OUTPUT_SHARED = 2, FLAG_RINGS = 4, FLAG_BATCHES = 32 };
enum { FRAME_WAKE = 9, RING_SLOTS = 64, SLOT_BYTES = 256, TOKEN_BYTES = 32, MAXIMUM_METADATA = 2040 };

struct accelerator_header {
	uint32_t inline_length;
	uint8_t type, version;
	uint16_t flags;
	uint64_t job_id;
	uint32_t reserved, epoch;
	uint16_t code;
	uint8_t failed_step, metadata_eights;
	uint32_t microseconds, input_length, output_length;
	uint64_t input_offset, output_offset;
	uint32_t engine_nanoseconds;
	uint16_t granted_jobs, granted_units;
} __attribute__((packed));

_Static_assert(sizeof(struct accelerator_header) == 64, "a header is one cache line");

/* Bytes of the socket, from `start` to `end`. */
struct accelerator_buffer {
	uint8_t *bytes;
	size_t start, end, room;
};

struct accelerator {
	int socket;
	uint32_t epoch;
	/* Shared with the worker; NULL: everything goes over the socket. */
	uint8_t *region;
	uint64_t region_length, payload_offset;
	/* Jobs go and come in rings in the region. */
	int rings;
	/* How many have; how many of the submitted the worker may see; how many completions there are as far as is known. */
	uint32_t submitted, completed, published, arrived;
	/* Frames that wait to be sent together, and what was received together. */
	struct accelerator_buffer outgoing, incoming;
};

/*
 * Connects to a socket of a session. `shared_bytes` of shared memory, 0 for none. `wishes`: FLAG_RINGS, with shared memory;
 * FLAG_BATCHES, to be woken for several completions at once rather than for each. 0, or a negative errno, or the status
 * (greater than 0) with which the worker refused.
 */
int accelerator_open(struct accelerator *self, const char *path, uint32_t epoch, const uint8_t token[TOKEN_BYTES],
		     uint64_t shared_bytes, uint16_t wishes);
void accelerator_close(struct accelerator *self);

/*
 * Submits a job. With shared memory input and output are where the header says; without, `payload` is the input, which is
 * copied. The caller keeps to what was granted. Some jobs go together: all are on their way once `accelerator_complete` or
 * `accelerator_flush` was called. 0 or a negative errno.
 */
int accelerator_submit(struct accelerator *self, struct accelerator_header header, const void *metadata,
		       const void *payload);
int accelerator_flush(struct accelerator *self);

/*
 * Waits for the next completion. `body` gets its metadata, and its output if that is not in shared memory, of together
 * at most `room` bytes. In rings it looks again and again for 50 us before it waits. 0 or a negative errno.
 */
int accelerator_complete(struct accelerator *self, struct accelerator_header *header, void *body, size_t room);

#endif
