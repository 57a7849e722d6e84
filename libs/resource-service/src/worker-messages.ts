import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import type { Message, Received } from '@outboard/bus';
import { encodeBinary, parseDpuSubject } from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import { type Name, parseName } from '@outboard/model';

/** Which DPU's worker sent this, by its subject. The bus lets a worker publish on its own subjects only. */
export function dpuOf({ subject }: Received): Result<Name, AppError> {
  const parsed = parseName(parseDpuSubject(subject)?.dpu ?? '');
  return parsed.ok
    ? parsed
    : err(new AppError('INVALID_ARGUMENT', `${subject}: the DPU's name ${parsed.error}`));
}

/** An answer to a worker. */
export const binaryReply = <Schema extends DescMessage>(
  schema: Schema,
  init: MessageInitShape<Schema>,
): Result<Message, AppError> => ok({ headers: {}, body: encodeBinary(schema, create(schema, init)) });
