import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type AlgorithmName,
  checkProgram,
  OPERATIONS,
  type Operation,
} from '@outboard/acceleration/programs';
import type { JobProgram as JobProgramMessage, JobProgramSchema } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { atMost, distinct, oneOf, optional } from '../fields.js';
import { type Name, parseName } from '../values.js';

/** One step of what becomes of a job's input. */
export interface JobStep {
  readonly operation: Operation;
  readonly algorithm: AlgorithmName;
  /** AccelerationKey of the tenant; exactly for algorithms with a key. */
  readonly key: Name | undefined;
  /** Of compression; 0: the algorithm's default. */
  readonly level: number;
  readonly callerNonce: boolean;
}

/** What jobs may ask for by its id. */
export interface JobProgram {
  readonly id: number;
  readonly steps: readonly JobStep[];
}

const MAX_PROGRAMS = 64;

const parseOperation = oneOf(OPERATIONS);

/** Programs under `field`; undefined only if there are problems. */
export function parsePrograms(
  messages: readonly JobProgramMessage[],
  field: string,
  problems: Problems,
): readonly JobProgram[] | undefined {
  if (!atMost(problems, field, messages, MAX_PROGRAMS)) return undefined;
  distinct(
    problems,
    messages,
    ({ id }) => String(id),
    (index) => `${field}[${index}].id`,
  );
  const before = problems.total;
  const programs = messages.map((message, index) => parseProgram(message, `${field}[${index}]`, problems));
  return problems.total === before ? programs : undefined;
}

function parseProgram({ id, steps }: JobProgramMessage, path: string, problems: Problems): JobProgram {
  const unchecked = steps.map(({ operation, algorithm, key, level, callerNonce }, index) => {
    const at = `${path}.steps[${index}]`;
    const known = parseOperation(operation);
    if (!known.ok) problems.addMalformed(`${at}.operation`, operation === '' ? 'is required' : known.error);
    if (algorithm === '') problems.addMalformed(`${at}.algorithm`, 'is required');
    return {
      operation: known.ok ? known.value : 'GENERATE',
      algorithm,
      key: optional(problems, `${at}.key`, key, parseName),
      level,
      callerNonce,
    };
  });
  const named = unchecked.map(({ key, ...step }) => ({ ...step, keyUid: key ?? '' }));
  checkProgram({ id, steps: named }, path, problems, 'key');
  return { id, steps: unchecked } as JobProgram;
}

export const programToMessage = ({ id, steps }: JobProgram): MessageInitShape<typeof JobProgramSchema> => ({
  id,
  steps: steps.map(({ key, ...step }) => ({ ...step, key: key ?? '' })),
});

/** Names of the keys that programs name, each once. */
export const keysOfPrograms = (programs: readonly JobProgram[]): readonly Name[] => [
  ...new Set(programs.flatMap(({ steps }) => steps.flatMap(({ key }) => key ?? []))),
];
