import { spawn } from 'node:child_process';
import { runIn } from '@outboard/ffi';
import { NetlinkError, NFPROTO, nftRule, nftTable } from '@outboard/netlink';
import type { OperationResult } from '../driver.js';
import { GUARD_TABLE, guardScript } from '../realise/guard-table.js';
import { guardKey, namespaceKey } from '../realise/linux-objects.js';
import { DONE, resultOfThrown } from './batch.js';
import {
  type DeleteOperation,
  type Handler,
  missing,
  type Observed,
  observedOf,
  type PutOperation,
  specOf,
} from './handler.js';
import type { Place } from './place.js';
import type { Places } from './places.js';

const COMMENT = /outboard revision (\d+)/;

/** The table that checks what ports send. Its fixed part is the one thing that nft(8) is started for, once per router. */
export class Guards implements Handler {
  constructor(private readonly places: Places) {}

  async put(operations: readonly PutOperation[]): Promise<OperationResult[]> {
    return Promise.all(
      operations.map(async (operation) => {
        const { namespace } = specOf(operation, 'guard');
        const place = this.places.router(namespace);
        if (place === undefined) return missing(namespaceKey(namespace));
        return load(place);
      }),
    );
  }

  async remove(operations: readonly DeleteOperation[]): Promise<OperationResult[]> {
    return Promise.all(
      operations.map(async (operation) => {
        const place = this.places.router(observedOf(operation, 'guard').namespace);
        if (place === undefined) return DONE;
        try {
          const { failures } = await place.netfilter.transaction([
            nftTable.remove({ nfgenFamily: NFPROTO.BRIDGE, name: GUARD_TABLE }),
          ]);
          const [failure] = failures;
          return failure === undefined || failure.code === 'ENOENT' ? DONE : resultOfThrown(failure);
        } catch (failure) {
          return resultOfThrown(failure);
        }
      }),
    );
  }

  async observe(keys: readonly string[] | 'all'): Promise<Observed[]> {
    const places =
      keys === 'all'
        ? [...this.places.routers()]
        : keys.flatMap((key) => this.places.router(key.slice(guardKey('').length)) ?? []);
    const found = await Promise.all(places.map(observeGuard));
    return found.flatMap((one) => one ?? []);
  }
}

async function observeGuard(place: Place): Promise<Observed | undefined> {
  try {
    const table = await place.netfilter.get(nftTable.get({ nfgenFamily: NFPROTO.BRIDGE, name: GUARD_TABLE }));
    const key = guardKey(place.name);
    const within = namespaceKey(place.name);
    const comment = Buffer.from(table.userdata ?? []).toString('latin1');
    const revision = COMMENT.exec(comment)?.[1];
    if (revision === undefined) {
      const spec = { kind: 'guard', namespace: place.name, revision: 0, rules: 0 } as const;
      return { key, spec, within, ownership: { kind: 'foreign', found: 'a table of the same name' } };
    }
    const rules = await place.netfilter.dump(
      nftRule.dump({ nfgenFamily: NFPROTO.BRIDGE, table: GUARD_TABLE }),
    );
    const spec = {
      kind: 'guard',
      namespace: place.name,
      revision: Number(revision),
      rules: rules.length,
    } as const;
    return { key, spec, within, ownership: { kind: 'owned' } };
  } catch (failure) {
    if (failure instanceof NetlinkError && failure.code === 'ENOENT') return undefined;
    throw failure;
  }
}

/** Runs `nft -f -` in the namespace. A child that is started in there stays there; the wait for it is elsewhere. */
async function load(place: Place): Promise<OperationResult> {
  const existing = await observeGuard(place);
  if (existing?.ownership.kind === 'foreign') return existing.ownership;
  let child: ReturnType<typeof spawn> | undefined;
  runIn(place.namespace, () => {
    child = spawn('nft', ['-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
  });
  return new Promise((resolve) => {
    let text = '';
    child?.stderr?.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(0, 2000);
    });
    child?.on('error', (failure) =>
      resolve({
        kind: 'failed',
        error: { code: 'ENOENT', message: `nft cannot be run: ${failure.message}` },
      }),
    );
    child?.on('close', (status) => {
      if (status === 0) resolve(DONE);
      else
        resolve({ kind: 'failed', error: { code: `EXIT${status}`, message: text.split('\n', 1)[0] ?? '' } });
    });
    child?.stdin?.on('error', () => undefined);
    child?.stdin?.end(guardScript());
  });
}
