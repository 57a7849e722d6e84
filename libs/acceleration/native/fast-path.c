/*
 * The fast path of a thread of the data path: the plain case done many times in one call, without leaving C. A job is plain
 * when its program is one ENCRYPT with the worker's own nonces, or one DECRYPT of what that made, its input and output are
 * both in shared memory or both inline, and it says nothing else: no additional data, no deadline. Whatever is not, and
 * whatever is wrong with a frame, is left where it is for the general way (src/lane), which knows every rule; this file only
 * has to tell that it is not plain.
 *
 * Memory of the client may change at any moment: headers and metadata are copied once, and only the copy is looked at;
 * nothing is shown there that has not been verified.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* Frames, rings and metadata: docs/acceleration.md; src/wire. */
enum { HEADER_BYTES = 64, FRAME_SUBMIT = 3, FRAME_COMPLETE = 4, FRAME_VERSION = 1 };
enum { FLAG_INPUT_SHARED = 1, FLAG_OUTPUT_SHARED = 2, FLAG_NATIVE = 8, BOTH_SHARED = FLAG_INPUT_SHARED | FLAG_OUTPUT_SHARED };
enum { STATUS_OK = 0 };
enum { RING_SLOTS = 64, SLOT_BYTES = 256, SLOTS_SHOWN_TOGETHER = 4 };
enum { SUBMISSION_TAIL = 0, SUBMISSION_HEAD = 64, COMPLETION_TAIL = 128, COMPLETION_HEAD = 192 };
enum { SUBMISSIONS = 4096, COMPLETIONS = SUBMISSIONS + RING_SLOTS * SLOT_BYTES, PAYLOAD = COMPLETIONS + RING_SLOTS * SLOT_BYTES };
enum { MAXIMUM_TRANSFER = (1 << 20) + (64 << 10) };
enum { NONCE_BYTES = 12, TAG_BYTES = 16 };
/* Metadata of a plain job: nonce, tag, and the version of the key, which may be left out. */
enum { NONCE_AT = 0, TAG_AT = 16, VERSION_AT = 40, RESULT_BYTES = 48 };
enum { METADATA_NONCE = 1, METADATA_TAG = 2, METADATA_KEY_VERSION = 5 };
/* The state in which a key may encrypt: src/keys/key-slot.ts. */
enum { KEY_ACTIVE = 1 };
enum { GET_TAG = 0x10, SET_TAG = 0x11 };
enum { LATENCY_BUCKETS = 24 };
enum { PAGE = 4096 };

/* As it is on the wire. */
struct header {
	uint32_t inline_length;
	uint8_t type, version;
	uint16_t flags;
	uint64_t job_id;
	uint32_t reserved, epoch;
	uint16_t code;
	uint8_t failed_step, metadata_eights;
	uint32_t microseconds, input_length, output_length;
	uint64_t input_offset, output_offset;
	uint32_t engine_time;
	uint16_t granted_jobs, granted_units;
};
_Static_assert(sizeof(struct header) == HEADER_BYTES, "a header is one cache line");

/*
 * What one call is about. All numbers are doubles, addresses and nanoseconds among them: JavaScript has no other that cost
 * nothing, and below 2^53 they are exact. In the order of WORK in src/lane/fast-path.ts.
 */
struct work {
	/* 1: jobs DECRYPT, and `scratch` has room for the output of one and a page; 0: they ENCRYPT. */
	double decrypts, scratch;
	/* The key: EVP_CIPHER_CTX with it, the int32 with its state, its version, and the next nonce. */
	double context, key_state, key_version, nonce_prefix, nonce_high, nonce_low, nonces;
	/* What a plain job says. */
	double program, epoch;
	/* The connection's shared memory; 0: it has none. */
	double region, region_length;
	/*
	 * Where frames are: in the rings of the region (0), or [input_at, input_end) of what a socket has brought. Their
	 * completions go into the other ring, or to output_at, in room up to output_end. In a ring these are counters.
	 */
	double input, input_at, input_end, output, output_at, output_end;
	/*
	 * CLOCK_MONOTONIC, nanoseconds: when the frames came; until when jobs begin, unless less than half of the frames are
	 * done; until when they may begin at all; the end of the lease.
	 */
	double arrival, enough, until, lease_end;
	/* What was done. */
	double jobs, bytes, engine_nanoseconds, ended;
	double latency[LATENCY_BUCKETS];
};

/* Why a call ended: there is no more; the next frame is for the general way; it is for a later call, time or room being used up. */
enum { NO_MORE = 0, NOT_PLAIN = 1, LATER = 2 };

static int (*cipher_init)(void *, const void *, void *, const uint8_t *, const uint8_t *, int);
static int (*cipher_update)(void *, uint8_t *, int *, const uint8_t *, int);
static int (*cipher_final)(void *, uint8_t *, int *);
static int (*cipher_control)(void *, int, int, void *);

/* Binds libcrypto, which must be loaded: contexts are those of that one. 0: it is not there. */
int fast_path_open(void)
{
	void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_NOLOAD);

	if (!library)
		return 0;
	*(void **)&cipher_init = dlsym(library, "EVP_CipherInit_ex");
	*(void **)&cipher_update = dlsym(library, "EVP_CipherUpdate");
	*(void **)&cipher_final = dlsym(library, "EVP_CipherFinal_ex");
	*(void **)&cipher_control = dlsym(library, "EVP_CIPHER_CTX_ctrl");
	return cipher_init && cipher_update && cipher_final && cipher_control;
}

/* sizeof(struct work) in doubles: so that whoever fills it in knows the same. */
int fast_path_words(void)
{
	return sizeof(struct work) / sizeof(double);
}

static uint8_t *at(double address)
{
	return (uint8_t *)(uintptr_t)address;
}

static _Atomic uint32_t *cell(uint8_t *region, size_t offset)
{
	return (_Atomic uint32_t *)(region + offset);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static void put_big_endian(uint8_t *bytes, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(bytes, &value, sizeof(value));
}

/* A job: its header and metadata in memory of this thread, and where its data is. */
struct job {
	struct header header;
	uint8_t metadata[RESULT_BYTES];
	const uint8_t *input;
	uint8_t *output;
};

/* Each word once, whatever the compiler would rather do: the other side may write there now. */
static void copy_once(void *to, const uint8_t *from, size_t length)
{
	for (size_t index = 0; index < length / 8; index++) {
		const uint64_t word = __atomic_load_n((const uint64_t *)from + index, __ATOMIC_RELAXED);
		memcpy((uint8_t *)to + 8 * index, &word, sizeof(word));
	}
}

/* Bytes of metadata that a plain job may have. */
static int has_plain_metadata(const struct work *work, const struct header *header)
{
	const unsigned length = header->metadata_eights * 8;

	return work->decrypts ? length == VERSION_AT || length == RESULT_BYTES : length == 0;
}

static int is_inside(uint64_t offset, uint32_t length, uint64_t end)
{
	return offset >= PAYLOAD && offset <= end && length <= end - offset;
}

static int is_plain(const struct work *work, const struct header *header)
{
	const uint64_t input = header->input_offset, output = header->output_offset;
	const uint32_t length = header->input_length, room = header->output_length;

	if (header->type != FRAME_SUBMIT || header->version != FRAME_VERSION || header->microseconds != 0 ||
	    header->code != work->program || header->epoch != work->epoch || !has_plain_metadata(work, header))
		return 0;
	if (length == 0 || length > MAXIMUM_TRANSFER || room < length || room > MAXIMUM_TRANSFER)
		return 0;
	if (header->flags == 0)
		return work->input != 0 && header->inline_length == header->metadata_eights * 8u + length;
	if (header->flags != BOTH_SHARED || header->inline_length != header->metadata_eights * 8u || work->region == 0)
		return 0;
	if (!is_inside(input, length, work->region_length) || !is_inside(output, room, work->region_length))
		return 0;
	return input + length <= output || output + room <= input;
}

/* Writes the head of an entry of metadata, or sees whether there is one like it; of the first step. */
static void put_entry(uint8_t *entry, uint8_t tag, uint8_t length)
{
	entry[0] = tag;
	entry[2] = length;
}

static int is_entry(const uint8_t *entry, uint8_t tag, uint8_t length)
{
	return entry[0] == tag && entry[1] == 0 && entry[2] == length && entry[3] == 0;
}

/* Encrypts under the next nonce; `results` is what a completion tells of that. */
static int encrypt(struct work *work, const struct job *job, uint8_t *results)
{
	void *context = at(work->context);
	const uint32_t version = work->key_version;
	uint8_t *nonce = results + NONCE_AT + 4, *tag = results + TAG_AT + 4;
	int made;

	memset(results, 0, RESULT_BYTES);
	put_entry(results + NONCE_AT, METADATA_NONCE, NONCE_BYTES);
	put_entry(results + TAG_AT, METADATA_TAG, TAG_BYTES);
	put_entry(results + VERSION_AT, METADATA_KEY_VERSION, sizeof(version));
	memcpy(results + VERSION_AT + 4, &version, sizeof(version));
	put_big_endian(nonce, work->nonce_prefix);
	put_big_endian(nonce + 4, work->nonce_high);
	put_big_endian(nonce + 8, work->nonce_low);
	/* It is used, whatever comes of it. */
	work->nonces--;
	if (++work->nonce_low == 4294967296.0) {
		work->nonce_low = 0;
		work->nonce_high++;
	}
	return cipher_init(context, NULL, NULL, NULL, nonce, 1) == 1 &&
	       cipher_update(context, job->output, &made, job->input, job->header.input_length) == 1 &&
	       cipher_final(context, tag, &made) == 1 && cipher_control(context, GET_TAG, TAG_BYTES, tag) == 1;
}

/* In `scratch`, half a page further in its page than what is copied there: why, src/program/scratch.ts tells. */
static uint8_t *scratch_for(const struct work *work, const uint8_t *output)
{
	uint8_t *scratch = at(work->scratch);

	return scratch + ((uintptr_t)output + PAGE / 2 - (uintptr_t)scratch) % PAGE;
}

/* Decrypts into memory that the client does not see, and shows it once it is verified. */
static int decrypt(const struct work *work, const struct job *job)
{
	void *context = at(work->context);
	const uint32_t length = job->header.input_length, version = work->key_version;
	const uint8_t *metadata = job->metadata, *nonce = metadata + NONCE_AT + 4, *entry = metadata + VERSION_AT;
	uint8_t *output = job->header.flags ? scratch_for(work, job->output) : job->output, tag[TAG_BYTES], none[TAG_BYTES];
	int made;

	if (!is_entry(metadata + NONCE_AT, METADATA_NONCE, NONCE_BYTES) ||
	    !is_entry(metadata + TAG_AT, METADATA_TAG, TAG_BYTES))
		return 0;
	if (job->header.metadata_eights * 8 > VERSION_AT &&
	    (!is_entry(entry, METADATA_KEY_VERSION, sizeof(version)) || memcmp(entry + 4, &version, sizeof(version))))
		return 0;
	memcpy(tag, metadata + TAG_AT + 4, TAG_BYTES);
	if (cipher_init(context, NULL, NULL, NULL, nonce, 0) != 1 ||
	    cipher_update(context, output, &made, job->input, length) != 1 ||
	    cipher_control(context, SET_TAG, TAG_BYTES, tag) != 1 || cipher_final(context, none, &made) != 1) {
		memset(output, 0, length);
		return 0;
	}
	if (output != job->output)
		memcpy(job->output, output, length);
	return 1;
}

/* Bytes of metadata that a completion has. */
static size_t result_bytes(const struct work *work)
{
	return work->decrypts ? 0 : RESULT_BYTES;
}

static int do_job(struct work *work, const struct job *job, uint8_t *results)
{
	return work->decrypts ? decrypt(work, job) : encrypt(work, job, results);
}

static void count(struct work *work, uint32_t length, double began, double ended)
{
	/* Rounded as src/lane/completion.ts does. */
	const uint32_t latency = (ended - work->arrival) / 1000 + 0.5;
	unsigned bucket = latency == 0 ? 0 : 32 - __builtin_clz(latency);

	work->jobs++;
	work->bytes += length;
	work->engine_nanoseconds += ended - began;
	work->ended = ended;
	work->latency[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
}

static int may_go_on(const struct work *work, double time)
{
	return time < work->until && time < work->lease_end && (work->decrypts || work->nonces > 0) &&
	       __atomic_load_n((int32_t *)at(work->key_state), __ATOMIC_SEQ_CST) == KEY_ACTIVE;
}

/* Writes the header of the completion of a job, of which `result_bytes` of metadata follow, and then inline output. */
static void complete(const struct work *work, const struct header *job, double nanoseconds, uint8_t *to)
{
	struct header done = { .type = FRAME_COMPLETE, .version = FRAME_VERSION, .flags = FLAG_NATIVE };

	done.flags |= job->flags & FLAG_OUTPUT_SHARED;
	done.job_id = job->job_id;
	done.epoch = job->epoch;
	done.code = STATUS_OK;
	done.metadata_eights = result_bytes(work) / 8;
	done.inline_length = result_bytes(work) + (job->flags ? 0 : job->input_length);
	done.input_length = done.output_length = job->input_length;
	done.output_offset = job->flags ? job->output_offset : 0;
	done.engine_time = nanoseconds < UINT32_MAX ? nanoseconds : UINT32_MAX;
	memcpy(to, &done, sizeof(done));
}

static int run_rings(struct work *work)
{
	uint8_t *region = at(work->region);
	uint32_t in = work->input_at, out = work->output_at;
	uint32_t tail = in, head = out - RING_SLOTS, shown = out;
	int why;

	for (double began = now();;) {
		struct job job;
		uint8_t results[RESULT_BYTES];

		why = NO_MORE;
		if (in == tail)
			tail = atomic_load_explicit(cell(region, SUBMISSION_TAIL), memory_order_acquire);
		if (in == tail)
			break;
		if (out - head >= RING_SLOTS)
			head = atomic_load_explicit(cell(region, COMPLETION_HEAD), memory_order_acquire);
		/* Counters that no ring can have are the general way's to tell, and so is one that is full. */
		why = NOT_PLAIN;
		if (tail - in > RING_SLOTS || out - head >= RING_SLOTS)
			break;
		const uint8_t *from = region + SUBMISSIONS + in % RING_SLOTS * SLOT_BYTES;
		uint8_t *to = region + COMPLETIONS + out % RING_SLOTS * SLOT_BYTES;
		copy_once(&job.header, from, HEADER_BYTES);
		if (!is_plain(work, &job.header) || !job.header.flags)
			break;
		copy_once(job.metadata, from + HEADER_BYTES, job.header.metadata_eights * 8);
		job.input = region + job.header.input_offset;
		job.output = region + job.header.output_offset;
		why = LATER;
		if (began >= work->enough || !may_go_on(work, began))
			break;
		why = NOT_PLAIN;
		if (!do_job(work, &job, results))
			break;
		const double ended = now();
		/* The session may be served elsewhere by now: the general way says so. */
		if (ended >= work->lease_end)
			break;
		complete(work, &job.header, ended - began, to);
		memcpy(to + HEADER_BYTES, results, result_bytes(work));
		count(work, job.header.input_length, began, ended);
		began = ended;
		in++;
		out++;
		/* Each time takes a cache line from the client's core. */
		if (out - shown >= SLOTS_SHOWN_TOGETHER) {
			shown = out;
			atomic_store_explicit(cell(region, SUBMISSION_HEAD), in, memory_order_release);
			atomic_store_explicit(cell(region, COMPLETION_TAIL), out, memory_order_release);
		}
	}
	work->input_at = in;
	work->output_at = out;
	return why;
}

static int run_frames(struct work *work)
{
	uint8_t *region = at(work->region), *input = at(work->input), *output = at(work->output);
	size_t in = work->input_at, out = work->output_at;
	const size_t end = work->input_end, room = work->output_end;
	int why;

	for (double began = now();;) {
		struct job job;

		why = NO_MORE;
		if (end - in < HEADER_BYTES)
			break;
		memcpy(&job.header, input + in, HEADER_BYTES);
		why = NOT_PLAIN;
		if (!is_plain(work, &job.header))
			break;
		const size_t metadata = job.header.metadata_eights * 8, data = job.header.flags ? 0 : job.header.input_length;
		const size_t made = HEADER_BYTES + result_bytes(work) + data;
		why = NO_MORE;
		if (metadata + data > end - in - HEADER_BYTES)
			break;
		why = LATER;
		/* The client is woken for half of what it has here: so the other half keeps this thread busy until it sends more. */
		if (began >= work->enough && work->jobs * (HEADER_BYTES + metadata + data) >= end - in)
			break;
		if (made > room - out || !may_go_on(work, began))
			break;
		const uint8_t *body = input + in + HEADER_BYTES;
		uint8_t *results = output + out + HEADER_BYTES;
		memcpy(job.metadata, body, metadata);
		job.input = job.header.flags ? region + job.header.input_offset : body + metadata;
		job.output = job.header.flags ? region + job.header.output_offset : results + result_bytes(work);
		why = NOT_PLAIN;
		if (!do_job(work, &job, results))
			break;
		const double ended = now();
		if (ended >= work->lease_end)
			break;
		complete(work, &job.header, ended - began, output + out);
		count(work, job.header.input_length, began, ended);
		began = ended;
		in += HEADER_BYTES + metadata + data;
		out += made;
	}
	work->input_at = in;
	work->output_at = out;
	return why;
}

/* Does the plain jobs that come first, and tells why it ended. */
int fast_path_run(struct work *work)
{
	return work->input == 0 ? run_rings(work) : run_frames(work);
}
