import { STREAMS } from '@outboard/bus';
import { invariant } from '@outboard/core';
import type { Asked } from './intents.js';

const STREAM = STREAMS.find(({ name }) => name === 'OUTBOARD_INTENT');
invariant(STREAM !== undefined, 'intents have a stream');
/** For so long it knows which intents it has, milliseconds of the wall clock. */
const DUPLICATE_WINDOW = STREAM.duplicateWindowMilliseconds;

/** What a resource was asked to be, and what became of that. */
export interface Intent {
  /** Undefined: it is to go. */
  readonly asked: Asked | undefined;
  readonly id: string;
  /** Undefined: no answer yet. */
  accepted: boolean | undefined;
  /** It may be in the stream twice: sent again when that had forgotten that it has it. */
  isTwice: boolean;
}

/** All intents by their resources' keys, in the order in which they were asked, and their answers. */
export class IntentLedger {
  readonly #asked = new Map<string, Intent[]>();
  /** In the order of the answers. */
  readonly #answered: Intent[] = [];

  ask(key: string, id: string, asked: Asked | undefined): Intent {
    const intent: Intent = { asked, id, accepted: undefined, isTwice: false };
    this.#asked.set(key, [...(this.#asked.get(key) ?? []), intent]);
    return intent;
  }

  answer(intent: Intent, accepted: boolean): void {
    intent.accepted = accepted;
    this.#answered.push(intent);
  }

  /** The wall clock was set forward (or back, if negative) by so many milliseconds. */
  jumped(milliseconds: number): void {
    if (milliseconds < DUPLICATE_WINDOW) return;
    for (const intents of this.#asked.values())
      for (const intent of intents) if (intent.accepted === undefined) intent.isTwice = true;
  }

  /** The key of a resource of which an intent has no answer. */
  get unanswered(): string | undefined {
    for (const [key, intents] of this.#asked)
      if (intents.some(({ accepted }) => accepted === undefined)) return key;
    return undefined;
  }

  /**
   * What was accepted last of each resource that is to be there: in the order in which it was asked, or, where that may be
   * another in the stream, in which it was told. `madeBy`: the id of the intent that a resource is as; undefined: it is not there.
   */
  wanted(madeBy: (key: string) => string | undefined): Map<string, Intent> {
    const wanted = new Map<string, Intent>();
    for (const [key, intents] of this.#asked) {
      const told = intents.some(({ isTwice }) => isTwice)
        ? this.#answered.findLast((intent) => intent.accepted && intents.includes(intent))
        : undefined;
      const isAsTold = told !== undefined && madeBy(key) === (told.asked && told.id);
      const last = isAsTold ? told : intents.findLast(({ accepted }) => accepted);
      if (last?.asked !== undefined) wanted.set(key, last);
    }
    return wanted;
  }
}
