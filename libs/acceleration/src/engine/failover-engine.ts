import type { Engine, EngineOf } from './engine.js';
import type { EngineUnit } from './engine-unit.js';
import { JobDropped } from './fault.js';

/**
 * The modules that can do an operation, as one engine: where one fails the next does the job, and one that fails again
 * and again is skipped. Throws what the last one threw.
 */
export class FailoverEngine<Kind extends Engine['kind'] = Engine['kind']> {
  /** Who did the last job, or tried it last. */
  used: EngineUnit;

  constructor(
    readonly kind: Kind,
    /** The preferred one first; at least one, all of this kind. */
    readonly units: readonly EngineUnit[],
  ) {
    this.used = units[0] as EngineUnit;
  }

  /** Has one of the modules do a job. `made` is what it writes to, and what a fault may corrupt. */
  run<Outcome>(inputBytes: number, made: Uint8Array, call: (engine: EngineOf<Kind>) => Outcome): Outcome {
    let failure: unknown;
    for (const unit of this.units) {
      if (!unit.allows()) continue;
      this.used = unit;
      try {
        const corrupts = unit.fault?.strike() === true;
        const outcome = call(unit.candidate.engine as EngineOf<Kind>);
        if (corrupts && made.length > 0) made[0] = (made[0] ?? 0) ^ 1;
        unit.succeeded(inputBytes);
        return outcome;
      } catch (caught) {
        if (caught instanceof JobDropped) throw caught;
        unit.failed(caught);
        failure = caught;
      }
    }
    throw failure ?? new Error('every module that does it is skipped');
  }
}
