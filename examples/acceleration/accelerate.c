/*
 * One job of an acceleration session:
 *
 *     accelerate SOCKET EPOCH PROGRAM inline|shared|rings [METADATA] < input > output
 *
 * The token is in OUTBOARD_ACCELERATION_TOKEN. Token and metadata, which goes to standard error, are hexadecimal digits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accelerator.h"

enum { MAXIMUM_INPUT = 1 << 20, ROOM = MAXIMUM_INPUT + 65536 };

static uint8_t input[MAXIMUM_INPUT], body[MAXIMUM_METADATA + ROOM];

static size_t from_hexadecimal(const char *digits, uint8_t *bytes, size_t room)
{
	size_t count = strlen(digits) / 2;

	if (count > room)
		count = room;
	for (size_t index = 0; index < count; index++)
		sscanf(digits + 2 * index, "%2hhx", bytes + index);
	return count;
}

static int fail(const char *what, int result)
{
	fprintf(stderr, "accelerate: %s: %s %d\n", what, result < 0 ? "errno" : "status", result < 0 ? -result : result);
	return 1;
}

int main(int count, char **arguments)
{
	const char *digits = getenv("OUTBOARD_ACCELERATION_TOKEN");
	uint8_t token[TOKEN_BYTES] = { 0 }, metadata[MAXIMUM_METADATA];
	struct accelerator session;
	struct accelerator_header job = { .job_id = 1 }, done;
	int result;

	if (count < 5 || !digits) {
		fprintf(stderr, "usage: accelerate SOCKET EPOCH PROGRAM inline|shared|rings [METADATA]\n");
		return 2;
	}
	from_hexadecimal(digits, token, sizeof(token));
	const int shared = strcmp(arguments[4], "inline") != 0;
	result = accelerator_open(&session, arguments[1], atoi(arguments[2]), token, shared ? 4 << 20 : 0,
				  strcmp(arguments[4], "rings") == 0 ? FLAG_RINGS : 0);
	if (result)
		return fail("open", result);
	job.code = atoi(arguments[3]);
	job.input_length = fread(input, 1, sizeof(input), stdin);
	job.output_length = ROOM;
	job.metadata_eights = count > 5 ? from_hexadecimal(arguments[5], metadata, sizeof(metadata)) / 8 : 0;
	if (session.region) {
		job.flags = FLAG_INPUT_SHARED | FLAG_OUTPUT_SHARED;
		job.input_offset = session.payload_offset;
		job.output_offset = session.payload_offset + MAXIMUM_INPUT;
		memcpy(session.region + job.input_offset, input, job.input_length);
	}
	if ((result = accelerator_submit(&session, job, metadata, input)))
		return fail("submit", result);
	if ((result = accelerator_complete(&session, &done, body, sizeof(body))))
		return fail("complete", result);
	if (done.code)
		return fail("job", done.code);
	const size_t made = done.metadata_eights * 8;
	fwrite(session.region ? session.region + done.output_offset : body + made, 1, done.output_length, stdout);
	for (size_t index = 0; index < made; index++)
		fprintf(stderr, "%02x", body[index]);
	accelerator_close(&session);
	return 0;
}
