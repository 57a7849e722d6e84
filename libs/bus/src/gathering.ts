import type { Clock } from '@outboard/core';

/** How many answers to one request are awaited, and how long. */
export interface GatherLimits {
  /** Milliseconds from the call to its end at the latest. */
  readonly deadlineMilliseconds: number;
  /** Milliseconds without another answer, after the first one, that end it before. */
  readonly quietMilliseconds: number;
  readonly maxReplies: number;
}

/** Collects the answers of many until enough have come, or no more seem to come. */
export class Gathering<Reply> implements Disposable {
  readonly replies: Reply[] = [];
  #silence: Disposable | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly limits: GatherLimits,
  ) {}

  /** Calls back, now or later, when there is nothing more to wait for. */
  add(reply: Reply, complete: () => void): void {
    if (this.replies.length === this.limits.maxReplies) return;
    this.replies.push(reply);
    this.#silence?.[Symbol.dispose]();
    if (this.replies.length === this.limits.maxReplies) complete();
    else this.#silence = this.clock.schedule(this.limits.quietMilliseconds, complete);
  }

  [Symbol.dispose](): void {
    this.#silence?.[Symbol.dispose]();
  }
}
