import type { Operation } from '../driver.js';
import { groupBy } from '../group-by.js';
import type { LinuxSpec } from '../realise/linux-objects.js';
import type { DeleteOperation, Handler, Observed, PutOperation } from './handler.js';
import { carryOut, type TransactionHandler } from './nft-transactions.js';
import type { Places } from './places.js';
import { PolicyChains } from './policy-chains.js';
import { PolicyCounters } from './policy-counters.js';
import { PolicyElements } from './policy-elements.js';
import { PolicySets } from './policy-sets.js';
import { Senders } from './senders.js';

/** Who has which objects, in the order in which all are observed. */
const HANDLERS = [
  { Handler: Senders, key: 'sender', kinds: ['sender'] },
  { Handler: PolicySets, key: 'policyset', kinds: ['policyset'] },
  { Handler: PolicyElements, key: 'policyelement', kinds: ['policymember', 'policyport'] },
  { Handler: PolicyCounters, key: 'policycounter', kinds: ['policycounter'] },
  { Handler: PolicyChains, key: 'policychain', kinds: ['rulechain', 'portchain'] },
] as const;

/** What is in tables of nftables: all that happens to it at once in a namespace is one transaction, whatever sorts it is of. */
export class NftObjects implements Handler {
  readonly #byKey = new Map<string, TransactionHandler>();
  readonly #byKind = new Map<LinuxSpec['kind'], TransactionHandler>();

  constructor(private readonly places: Places) {
    for (const { Handler, key, kinds } of HANDLERS) {
      const handler = new Handler(places);
      this.#byKey.set(key, handler);
      for (const kind of kinds) this.#byKind.set(kind, handler);
    }
  }

  put(operations: readonly PutOperation[]) {
    return this.change(operations);
  }

  remove(operations: readonly DeleteOperation[]) {
    return this.change(operations);
  }

  change(operations: readonly Operation<LinuxSpec>[]) {
    return carryOut(
      this.places,
      operations.map((each) =>
        each.action === 'delete'
          ? this.#handlerOf(each.observed).removeChange(each)
          : this.#handlerOf(each.object.spec).putChange(each),
      ),
    );
  }

  async observe(keys: readonly string[] | 'all'): Promise<Observed[]> {
    const found: Observed[] = [];
    const byHandler =
      keys === 'all'
        ? [...this.#byKey.values()].map((handler) => [handler, keys] as const)
        : groupBy(keys, (key) => this.#byKey.get(key.slice(0, key.indexOf('/'))));
    for (const [handler, own] of byHandler)
      for (const object of await handler.observe(own)) found.push(object);
    return found;
  }

  #handlerOf({ kind }: LinuxSpec): TransactionHandler {
    const handler = this.#byKind.get(kind);
    if (handler === undefined) throw new Error(`a ${kind} is nothing of nftables`);
    return handler;
  }
}
