import { type Bus, STREAM, type Watched } from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import { steps } from './following.js';
import { type LetterSummary, summaryOf } from './output/letter.js';

/** Which dead letters are meant. */
export interface Selection {
  /** Sequence of the first that may be. */
  readonly from: number;
  matches(letter: LetterSummary): boolean;
}

/** The dead letters that are there now and match, oldest first. */
export async function* selected(
  bus: Bus,
  { from, matches }: Selection,
  signal: AbortSignal,
): AsyncGenerator<Watched> {
  let next = from;
  for (let start = from; ; start = 0) {
    try {
      for await (const letter of read(bus, start, signal)) {
        if (letter.streamSequence < next) continue;
        next = letter.streamSequence + 1;
        if (matches(summaryOf(letter))) yield letter;
      }
      return;
    } catch (thrown) {
      // The stream begins later by now, or ends before: all that it has tells.
      if (start === 0 || !isOutOfRange(thrown)) throw thrown;
    }
  }
}

/** One dead letter, or NOT_FOUND. */
export async function find(
  bus: Bus,
  sequence: number,
  signal: AbortSignal,
): Promise<Result<Watched, AppError>> {
  try {
    for await (const letter of read(bus, sequence, signal)) {
      return letter.streamSequence === sequence ? ok(letter) : err(notFound(sequence));
    }
  } catch (thrown) {
    if (!isOutOfRange(thrown)) throw thrown;
  }
  return err(notFound(sequence));
}

export const notFound = (sequence: number): AppError =>
  new AppError('NOT_FOUND', `there is no dead letter ${sequence}`);

/** From a sequence on; throws OUT_OF_RANGE where the stream begins later or ends before. */
async function* read(bus: Bus, from: number, signal: AbortSignal): AsyncGenerator<Watched> {
  const spec = { stream: STREAM.dead.name, filterSubject: subjects.dead('>'), from };
  for await (const step of steps(bus, spec, signal)) {
    if (step.type === 'current') return;
    if (step.type === 'message') yield step.received;
  }
}

const isOutOfRange = (thrown: unknown): boolean => AppError.from(thrown).code === 'OUT_OF_RANGE';
