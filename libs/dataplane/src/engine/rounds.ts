import type { Scope, Sections } from '../driver.js';

/** Comparisons take at most a four hundredth of the time, unless a round of them would then take longer than this. */
const PAUSE_FACTOR = 400;
const MAX_ROUND_MILLISECONDS = 600_000;

const EVERYTHING = { kind: 'all' } as const;

/**
 * What is compared next without anybody asking, and when. One section after the other and never two at once, each followed
 * by a pause that is as long as what it took deserves: so no minute has more of it than another, however much there is.
 */
export class Rounds {
  readonly #sections: readonly string[] | undefined;
  #index = 0;
  /** Of the pauses of this round. */
  #paused = 0;

  /** `milliseconds`: what a round takes at least. */
  constructor(
    sections: Sections | undefined,
    private readonly milliseconds: number,
  ) {
    this.#sections = sections?.names;
  }

  get next(): Exclude<Scope<never>, { kind: 'keys' }> {
    const section = this.#sections?.[this.#index];
    return section === undefined ? EVERYTHING : { kind: 'section', section };
  }

  /** `next` was looked at: true if with that everything was. */
  advance(): boolean {
    this.#index = (this.#index + 1) % (this.#sections?.length ?? 1);
    if (this.#index > 0) return false;
    this.#paused = 0;
    return true;
  }

  /** Milliseconds until `next`. `took`: what the look before it did. */
  pauseAfter(took: number): number {
    const share = this.milliseconds / (this.#sections?.length ?? 1);
    const pause = Math.max(share, Math.min(PAUSE_FACTOR * took, MAX_ROUND_MILLISECONDS - this.#paused));
    this.#paused += pause;
    return pause;
  }

  /** Everything was looked at, at once: a round begins anew. Milliseconds until then. */
  restart(took: number): number {
    this.#index = 0;
    this.#paused = 0;
    return Math.max(this.milliseconds, Math.min(PAUSE_FACTOR * took, MAX_ROUND_MILLISECONDS));
  }
}
