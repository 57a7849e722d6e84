import type { Problems } from '@outboard/core';
import {
  type AlgorithmName,
  describeAlgorithm,
  INVERSE,
  isAlgorithm,
  isKeyed,
  type LaneName,
  laneOf,
  type Operation,
  operationsOf,
} from '../engine/algorithms.js';
import { MAXIMUM_STEPS } from '../wire/metadata.js';

const MAXIMUM_PROGRAM_ID = 65_535;

/** One step of a program. */
export interface Step {
  readonly operation: Operation;
  readonly algorithm: AlgorithmName;
  /** Of algorithms with a key; empty otherwise. */
  readonly keyUid: string;
  /** Of compression; 0: the algorithm's default. */
  readonly level: number;
  /** Of ENCRYPT: jobs bring their nonces. */
  readonly callerNonce: boolean;
}

/** What becomes of the input of a job, one step after the other, in one pass. */
export interface Program {
  readonly id: number;
  readonly steps: readonly Step[];
}

/** What a step is before its rules were checked. */
export type UncheckedStep = Omit<Step, 'algorithm'> & { readonly algorithm: string };

/** Every rule that a program breaks, under the path of the field; `keyField` is what a step calls its key there. */
export function checkProgram(
  { id, steps }: { readonly id: number; readonly steps: readonly UncheckedStep[] },
  path: string,
  problems: Problems,
  keyField = 'keyUid',
): void {
  if (id < 1 || id > MAXIMUM_PROGRAM_ID) problems.add(`${path}.id`, `must be 1 to ${MAXIMUM_PROGRAM_ID}`);
  if (steps.length < 1 || steps.length > MAXIMUM_STEPS)
    problems.add(`${path}.steps`, `must have 1 to ${MAXIMUM_STEPS} of them`);
  steps.forEach((step, index) => {
    checkStep(step, `${path}.steps[${index}]`, problems, keyField);
  });
  checkOrder(steps, path, problems);
}

function checkStep(step: UncheckedStep, path: string, problems: Problems, keyField: string): void {
  const { operation, algorithm, keyUid, level, callerNonce } = step;
  if (!isAlgorithm(algorithm)) {
    problems.addMalformed(`${path}.algorithm`, `${JSON.stringify(algorithm)} is no algorithm`);
    return;
  }
  if (!operationsOf(algorithm).includes(operation))
    problems.add(
      `${path}.operation`,
      `must be ${operationsOf(algorithm).join(' or ')} for ${algorithm}, not ${operation}`,
    );
  if (isKeyed(algorithm) !== (keyUid !== ''))
    problems.add(
      `${path}.${keyField}`,
      isKeyed(algorithm) ? `must be set for ${algorithm}` : `must not be set for ${algorithm}`,
    );
  const description = describeAlgorithm(algorithm);
  const maximumLevel = description.kind === 'compression' ? description.maximumLevel : 0;
  if (level < 0 || level > maximumLevel)
    problems.add(`${path}.level`, `must be 0 to ${maximumLevel} for ${algorithm}`);
  if (callerNonce && operation !== 'ENCRYPT')
    problems.add(`${path}.callerNonce`, 'must not be set for anything but ENCRYPT');
}

/** Encrypted data cannot be made smaller, and two steps that change how long it is have no use. */
function checkOrder(steps: readonly UncheckedStep[], path: string, problems: Problems): void {
  const positions = (...operations: Operation[]): number[] =>
    steps.flatMap((step, index) => (operations.includes(step.operation) ? [index] : []));
  const compressions = positions('COMPRESS', 'DECOMPRESS');
  const ciphers = positions('ENCRYPT', 'DECRYPT');
  if (compressions.length > 1)
    problems.add(`${path}.steps`, 'must not have more than one COMPRESS or DECOMPRESS');
  if (ciphers.length > 1) problems.add(`${path}.steps`, 'must not have more than one ENCRYPT or DECRYPT');
  const [compression] = compressions;
  const [cipher] = ciphers;
  if (compression === undefined || cipher === undefined) return;
  const isUndoing = steps[compression]?.operation === 'DECOMPRESS';
  if (isUndoing !== (steps[cipher]?.operation === 'DECRYPT') || isUndoing !== cipher < compression)
    problems.add(`${path}.steps`, 'must COMPRESS before ENCRYPT, or DECRYPT before DECOMPRESS');
}

/** What undoes a program: each step's inverse, the last one first. Step `i` is undone by step `n - 1 - i`. */
export const reverseOf = ({ steps }: Program, id: number): Program => ({
  id,
  steps: steps
    .map((step) => ({ ...step, operation: INVERSE[step.operation], level: 0, callerNonce: false }))
    .reverse(),
});

/** A program is as dear as its dearest step. */
export const laneOfProgram = ({ steps }: { readonly steps: readonly Pick<Step, 'operation'>[] }): LaneName =>
  steps.some(({ operation }) => laneOf(operation) === 'HEAVY') ? 'HEAVY' : 'LIGHT';
