import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { AppError } from '@outboard/core';
import { libc, MS_BIND, runIn } from '@outboard/ffi';
import { link, NetworkNamespace, upFlags } from '@outboard/netlink';
import type { OperationResult } from '../driver.js';
import { DONE } from '../handlers.js';
import { resultOfThrown } from '../kernel/batch.js';
import { Place } from '../kernel/place.js';
import { namespaceKey } from '../realise/linux-keys.js';
import { aliasOf } from '../realise/names.js';
import { BRIDGE_FILTERING } from './capabilities.js';
import {
  type DeleteOperation,
  type Handler,
  type Observed,
  observedOf,
  type PutOperation,
  specOf,
} from './handler.js';
import type { Places } from './places.js';

/** What a router's kernel must do otherwise than by default, or than the machine was told to. */
const SETTINGS: readonly (readonly [path: string, value: string])[] = (
  [
    ['ipv4/ip_forward', '1'],
    ['ipv6/conf/all/forwarding', '1'],
    // A gateway forwards itself what a neighbour of the sender could: the sender may not be allowed to talk to it.
    ['ipv4/conf/all/send_redirects', '0'],
    ['ipv4/conf/default/send_redirects', '0'],
    // Who may send as whom is checked at the port; routes need not lead back the same way.
    ['ipv4/conf/all/rp_filter', '0'],
    ['ipv4/conf/default/rp_filter', '0'],
    // Several next hops share flows, not pairs of hosts.
    ['ipv4/fib_multipath_hash_policy', '1'],
    ['ipv6/fib_multipath_hash_policy', '1'],
  ] as const
).map(([path, value]) => [`/proc/sys/net/${path}`, value]);

/** All settings; those that show bridged packets to policies only where the kernel can do that. */
const settingsHere = (): readonly (readonly [path: string, value: string])[] => [
  ...SETTINGS,
  ...BRIDGE_FILTERING.filter((path) => existsSync(path)).map((path) => [path, '1'] as const),
];

/** Routers' namespaces. The mark is the alias of `lo`. */
export class Namespaces implements Handler {
  constructor(private readonly places: Places) {}

  async put(operations: readonly PutOperation[]): Promise<OperationResult[]> {
    const results: OperationResult[] = [];
    for (const operation of operations) {
      const { name, router } = specOf(operation, 'namespace');
      try {
        results.push(await this.#put(name, aliasOf(operation.mark.owner, router)));
      } catch (failure) {
        results.push(resultOfThrown(failure));
      }
    }
    return results;
  }

  async remove(operations: readonly DeleteOperation[]): Promise<OperationResult[]> {
    return operations.map((operation) => {
      const { name } = observedOf(operation, 'namespace');
      this.places.leave(name);
      try {
        NetworkNamespace.remove(name);
        return DONE;
      } catch (failure) {
        return resultOfThrown(failure);
      }
    });
  }

  async observe(keys: readonly string[] | 'all'): Promise<Observed[]> {
    if (keys === 'all') {
      await this.places.discover();
      return [...this.places.routers()].map((place) => this.#observed(place));
    }
    const found: Observed[] = [];
    for (const key of keys) {
      const name = key.slice(namespaceKey('').length);
      const place = this.places.router(name);
      if (place !== undefined && this.places.isNamed(name)) found.push(this.#observed(place));
      else if (place === undefined) found.push(...(await this.#observeUnknown(key, name)));
    }
    return found;
  }

  /** Something that is not one of our places, by the name of one. */
  async #observeUnknown(key: string, name: string): Promise<Observed[]> {
    const place = await this.places.look(name);
    if (place === undefined) return [];
    if (this.places.markOf(place) !== undefined) {
      this.places.enter(place);
      return [this.#observed(place)];
    }
    try {
      if (isPristine(place)) return [];
      const found = 'a namespace without our mark';
      const spec = { kind: 'namespace', name, router: '', settings: false } as const;
      return [{ key, spec, ownership: { kind: 'foreign', found } }];
    } finally {
      place.close();
    }
  }

  #observed(place: Place): Observed {
    const { name } = place;
    const mark = this.places.markOf(place);
    const settings = runIn(place.namespace, () =>
      settingsHere().every(([path, value]) => readFileSync(path, 'latin1').trim() === value),
    );
    return {
      key: namespaceKey(name),
      spec: { kind: 'namespace', name, router: mark?.key ?? '', settings },
      ownership: { kind: 'owned', ...(mark === undefined ? {} : { owner: mark.owner }) },
    };
  }

  async #put(name: string, alias: string): Promise<OperationResult> {
    let place = this.places.router(name);
    if (place !== undefined && !this.places.isNamed(name)) {
      // It lost its name and lives on, for we hold it: given back, nothing in it was ever disturbed.
      if ((await this.places.look(name)) === undefined) giveName(place, name);
      else this.places.leave(name);
      place = this.places.router(name);
    }
    if (place === undefined) {
      const created = await this.#create(name);
      if (!(created instanceof Place)) return created;
      place = created;
    }
    await place.route.send(link.change({ ifname: 'lo', ifalias: alias, ...upFlags() }));
    await place.lookAtDevice('lo');
    runIn(place.namespace, () => {
      for (const [path, value] of settingsHere()) writeFileSync(path, value);
    });
    this.places.enter(place);
    return DONE;
  }

  async #create(name: string): Promise<Place | OperationResult> {
    try {
      return await this.places.openPlace(name, NetworkNamespace.create(name));
    } catch (failure) {
      if (!(failure instanceof AppError) || failure.code !== 'ALREADY_EXISTS') throw failure;
    }
    const place = await this.places.look(name);
    if (place === undefined) {
      // A name without a namespace, left by a creation that was cut short.
      NetworkNamespace.remove(name);
      return this.places.openPlace(name, NetworkNamespace.create(name));
    }
    if (this.places.markOf(place) !== undefined || isPristine(place)) return place;
    place.close();
    return { kind: 'foreign', found: 'a namespace without our mark' };
  }
}

/** Nothing is in it and nobody marked it: we were interrupted when we had just made it. */
const isPristine = (place: Place): boolean =>
  [...place.devices()].every(({ name, alias, up }) => name === 'lo' && alias === '' && !up);

/** As `ip netns attach` does. */
function giveName(place: Place, name: string): void {
  const path = `/run/netns/${name}`;
  rmSync(path, { force: true });
  closeSync(openSync(path, 'wx', 0));
  libc.mount(`/proc/self/fd/${place.namespace?.descriptor}`, path, 'none', MS_BIND);
}
