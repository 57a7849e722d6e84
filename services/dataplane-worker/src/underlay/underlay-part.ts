import type { UnderlayConfiguration } from '@outboard/contracts';
import type { ObjectProblem } from '@outboard/dataplane/contract';
import type { AdminPart, WantedObject } from '../admin/admin-part.js';
import { configurationOf } from './configuration.js';
import type { UnderlayKeeper, UnderlayStatus } from './underlay-keeper.js';

/** What its owner calls the network of a DPU; told of also when nothing is wanted of it any more. */
const RELEASED = {
  key: 'underlay',
  source: { kind: 'DpuNetworkConfiguration', tenant: '', name: '' },
} as const;

/** The network of the DPU as a part of the document of owner `admin`. */
export class UnderlayPart implements AdminPart<UnderlayConfiguration> {
  #objects: readonly WantedObject<UnderlayConfiguration>[] = [];
  #isKnown = false;

  constructor(private readonly keeper: Pick<UnderlayKeeper, 'want' | 'status' | 'onChange'>) {}

  want(objects: readonly WantedObject<UnderlayConfiguration>[], isKnown: boolean): void {
    this.#objects = objects;
    this.#isKnown = isKnown;
    const [first] = objects;
    if (first !== undefined)
      this.keeper.want({ kind: 'configuration', configuration: configurationOf(first.value) });
    // A DPU that its owner does not know keeps its network: without it, it could not become known.
    else this.keeper.want({ kind: isKnown ? 'nothing' : 'unknown' });
  }

  problems(): readonly ObjectProblem[] {
    const [first, ...others] = this.#objects;
    const problem = problemOf(this.keeper.status);
    // Giving back what a configuration that is gone had set may not hold.
    if (first === undefined) return problem && this.#isKnown ? [{ ...RELEASED, ...problem }] : [];
    return [
      ...(problem === undefined ? [] : [{ key: first.key, source: first.source, ...problem }]),
      ...others.map(({ key, source }) => ({
        key,
        source,
        state: 'FAILED' as const,
        message: `a DPU has one network configuration, which is ${first.source.name}`,
      })),
    ];
  }

  onChange(listener: (repaired: number) => void): void {
    this.keeper.onChange(listener);
  }
}

function problemOf(status: UnderlayStatus): Omit<ObjectProblem, 'key' | 'source'> | undefined {
  switch (status.kind) {
    case 'applied':
      return undefined;
    case 'underWay':
      return { state: 'PENDING', message: 'not confirmed yet', isUnderWay: true };
    case 'waiting':
      return { state: 'PENDING', message: status.message };
    case 'rolledBack':
      return { state: 'FAILED', message: status.message, isRolledBack: true };
    case 'failed':
      return { state: 'FAILED', message: status.message };
  }
}
