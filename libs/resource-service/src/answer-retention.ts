import type { Key, NewRow, Row } from '@outboard/store';

/** Answers between two marks at most, give or take a group; and milliseconds. */
const MARK_ANSWERS = 10_000;
const MARK_MILLISECONDS = 60 * 60_000;
/** Answers are remembered for a day, and at most a million of them (about 1.5 GB). */
const MAX_MARKS = 100;
const MAX_AGE_MILLISECONDS = 24 * 60 * 60_000;

/** Answers of this revision and later were given at this time (milliseconds since the epoch) or later. */
interface Mark {
  readonly revision: number;
  readonly time: number;
}

/** The row that keeps the marks across restarts. */
export const ANSWER_MARKS: Key = { kind: 'AnswerMarks', tenant: '_', name: 'marks' };

/**
 * How long answers to message ids are remembered. The store forgets them by revision; marks, made now and then, tell
 * what a revision means in time and in number.
 */
export class AnswerRetention {
  #marks: Mark[];
  #sinceMark = 0;

  constructor(row: Pick<Row, 'value'> | undefined) {
    this.#marks = row ? (JSON.parse(row.value) as Mark[]) : [];
  }

  /** Notes that a group at this revision gives so many answers. Returns the row to write, if a mark is due. */
  note(answers: number, revision: number, now: number): NewRow | undefined {
    this.#sinceMark += answers;
    const last = this.#marks.at(-1);
    if (last && this.#sinceMark < MARK_ANSWERS && now - last.time < MARK_MILLISECONDS) return undefined;
    this.#sinceMark = 0;
    const oldest = this.#firstKept(now);
    this.#marks = [...this.#marks.slice(oldest), { revision, time: now }];
    return { key: ANSWER_MARKS, value: JSON.stringify(this.#marks), indexes: [] };
  }

  /** Answers that were given before this revision may be forgotten. */
  get keptFrom(): number {
    return this.#marks[0]?.revision ?? 0;
  }

  /** Index of the oldest mark that is still needed. */
  #firstKept(now: number): number {
    const tooMany = this.#marks.length + 1 - MAX_MARKS;
    // What lies between a mark and the next is as young as the next.
    const tooOld = this.#marks.findIndex((_, index) => {
      const next = this.#marks[index + 1];
      return !next || now - next.time < MAX_AGE_MILLISECONDS;
    });
    return Math.max(0, tooMany, tooOld);
  }
}
