/*
 * Keeps DEPTH jobs in flight for a while:
 *
 *     pipeline SOCKET EPOCH PROGRAM inline|shared|rings SIZE DEPTH SECONDS TOKEN
 *
 * Prints jobs, seconds, and seconds of its own processor time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "accelerator.h"

enum { MAXIMUM_DEPTH = 64 };

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static double processor_time(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int count, char **arguments)
{
	struct accelerator session;
	struct accelerator_header job = { 0 }, done;
	uint8_t token[TOKEN_BYTES], *body, *data;

	if (count < 9)
		return 2;
	const size_t size = atol(arguments[5]), stride = (size + 4095) / 4096 * 4096;
	const unsigned depth = atoi(arguments[6]) > MAXIMUM_DEPTH ? MAXIMUM_DEPTH : atoi(arguments[6]);
	const double seconds = atof(arguments[7]);
	const int shared = strcmp(arguments[4], "inline") != 0;

	for (int index = 0; index < TOKEN_BYTES; index++)
		sscanf(arguments[8] + 2 * index, "%2hhx", token + index);
	if (accelerator_open(&session, arguments[1], atoi(arguments[2]), token,
			     shared ? 65536 + 2 * stride * depth : 0, FLAG_BATCHES | (strcmp(arguments[4], "rings") == 0 ? FLAG_RINGS : 0)))
		return 1;
	body = malloc(size + 65536 + MAXIMUM_METADATA);
	data = malloc(size);
	/* Words of a small vocabulary: it compresses as text does. */
	for (size_t at = 0, state = 1; at < size; at++) {
		if (at % 7 == 0)
			state = state * 1103515245 + 12345;
		data[at] = 97 + (state >> 16 & 511) * (at % 7 + 7) % 26;
	}
	job.code = atoi(arguments[3]);
	job.input_length = size;
	job.output_length = shared ? size : size + 65536;
	if (shared) {
		job.flags = FLAG_INPUT_SHARED | FLAG_OUTPUT_SHARED;
		for (unsigned slot = 0; slot < depth; slot++)
			memcpy(session.region + session.payload_offset + 2 * stride * slot, data, size);
	}
	long jobs = 0;
	double began = 0, processor = 0, end = 0;
	for (unsigned inside = 0, first = 1, slot = 0;;) {
		while (inside < depth && (first || now() < end)) {
			job.job_id = slot;
			job.input_offset = session.payload_offset + 2 * stride * slot;
			job.output_offset = job.input_offset + stride;
			if (accelerator_submit(&session, job, NULL, data))
				return 1;
			slot = (slot + 1) % depth;
			inside++;
		}
		/* From when all is on its way. */
		if (first) {
			first = 0;
			began = now();
			processor = processor_time();
			end = began + seconds;
		}
		if (inside == 0)
			break;
		if (accelerator_complete(&session, &done, body, size + 65536 + MAXIMUM_METADATA) || done.code)
			return 1;
		slot = done.job_id;
		inside--;
		jobs++;
	}
	printf("%ld %.6f %.6f\n", jobs, now() - began, processor_time() - processor);
	accelerator_close(&session);
	return 0;
}
