import { AppError, systemClock } from '@outboard/core';
import { COOKIE_PREFIX } from './cookies.js';
import { addFlow, type CookedFlow, removeFlow } from './openflow/messages.js';
import { TABLE } from './realise/ovs-objects.js';
import type { Switch } from './switch.js';

/** Of a flow that nothing meets and nobody keeps. */
export const TOUCH_COOKIE = COOKIE_PREFIX | (0xfffen << 32n);
const TOUCH: CookedFlow = {
  table: TABLE.TOUCH,
  priority: 0,
  match: {},
  actions: [],
  cookie: TOUCH_COOKIE,
};
/** Between touches, while a round takes its time. */
const TOUCH_MILLISECONDS = 5;
/** More than `max-revalidator` of ovs-vswitchd.conf.db(5) is by default. */
const UNTOLD_MILLISECONDS = 1000;
const ALL_BITS = 0xffff_ffff_ffff_ffffn;

/**
 * The switch decides once for all packets that are alike, and goes through these decisions again some time after flows
 * have changed: it tells when it is through. `changed` says that they have; who waits then for `renewed` knows that
 * from there on no packet is treated as it was before.
 */
export class CachedDecisions {
  #changes = 0;
  #renewed = 0;
  #renewing: Promise<void> | undefined;

  constructor(private readonly vswitch: Switch) {}

  changed(): void {
    this.#changes++;
  }

  /** At once if nothing has changed. Also sees to it that flows have counted what was decided until now, if `always`. */
  async renewed(always = false): Promise<void> {
    if (always) this.#changes++;
    const until = this.#changes;
    while (this.#renewed < until) {
      this.#renewing ??= this.#renew().finally(() => {
        this.#renewing = undefined;
      });
      await this.#renewing;
    }
  }

  async #renew(): Promise<void> {
    const until = this.#changes;
    try {
      // The end of a round is told, not which: one that is under way may have begun before the change.
      await this.#round();
      await this.#round();
    } catch (failure) {
      // A switch that forwards in the kernel, too, does not tell: then it has had the time that it takes at most.
      if (AppError.from(failure).code !== 'INTERNAL') throw failure;
      await systemClock.delay(UNTOLD_MILLISECONDS);
    }
    this.#renewed = until;
  }

  /** Waits for the end of a round, and makes the switch begin one as long as there is none. */
  async #round(): Promise<void> {
    const { client, control, names } = this.vswitch;
    let waiting = true;
    const ended = control.call('revalidator/wait', []).finally(() => {
      waiting = false;
    });
    // Told below; until then it is nobody's failure.
    const over = ended.catch(() => undefined);
    while (waiting) {
      await client.send([addFlow(TOUCH, names), removeFlow(TOUCH, TOUCH_COOKIE, ALL_BITS, names)]);
      await Promise.race([over, systemClock.delay(TOUCH_MILLISECONDS)]);
    }
    await ended;
  }
}
