import { spawn } from 'node:child_process';
import { runIn } from '@outboard/ffi';
import { NetlinkError, NFPROTO, nftRule, nftTable } from '@outboard/netlink';
import type { ObservedObject, OperationResult } from '../driver.js';
import {
  type DeleteOperation,
  DONE,
  type Handler,
  missing,
  type PutOperation,
  secondOf,
} from '../handlers.js';
import {
  FIXED_TABLE_NAMES,
  FIXED_TABLES,
  type FixedTable,
  type FixedTableName,
  tableComment,
} from '../realise/fixed-tables.js';
import { guardKey, namespaceKey } from '../realise/linux-keys.js';
import type { GuardSpec } from '../realise/linux-objects.js';
import { resultOfThrown } from './batch.js';
import { isForwarding, isForwardingInGeneral, setForwarding } from './forwarding.js';
import type { Place, PlaceSet } from './place.js';

const COMMENT = /outboard revision (\d+)(?: by (\S+ [\da-f.:]+))?/;

const FAMILIES = { bridge: NFPROTO.BRIDGE, inet: NFPROTO.INET } as const;

/** Tables of fixed rules, the one thing that nft(8) is started for: once per table and router. */
export class Guards implements Handler<GuardSpec> {
  constructor(private readonly places: PlaceSet) {}

  async put(operations: readonly PutOperation<GuardSpec>[]): Promise<OperationResult[]> {
    return Promise.all(
      operations.map(async (operation) => {
        const { namespace, table, way = '' } = operation.object.spec;
        const place = this.places.at(namespace);
        if (place === undefined) return missing(namespaceKey(namespace));
        return load(place, table, way);
      }),
    );
  }

  async remove(operations: readonly DeleteOperation<GuardSpec>[]): Promise<OperationResult[]> {
    return Promise.all(
      operations.map(async (operation) => {
        const { namespace, table, way } = operation.observed;
        const place = this.places.at(namespace);
        if (place === undefined) return DONE;
        if (way !== undefined) setForwarding(place, deviceOf(way), isForwardingInGeneral(place), false);
        const { family, table: name } = FIXED_TABLES[table];
        try {
          const { failures } = await place.netfilter.transaction([
            nftTable.remove({ nfgenFamily: FAMILIES[family], name }),
          ]);
          const [failure] = failures;
          return failure === undefined || failure.code === 'ENOENT' ? DONE : resultOfThrown(failure);
        } catch (failure) {
          return resultOfThrown(failure);
        }
      }),
    );
  }

  async observe(keys: readonly string[] | 'all'): Promise<ObservedObject<GuardSpec>[]> {
    const wanted =
      keys === 'all'
        ? this.places.all().flatMap((place) => tablesOf(place).map((table) => ({ place, table })))
        : keys.flatMap((key) => {
            const place = this.places.at(secondOf(key));
            const table = place && tablesOf(place).find((name) => key === guardKey(place.name, name));
            return place && table ? [{ place, table }] : [];
          });
    const found = await Promise.all(wanted.map(({ place, table }) => observeGuard(place, table)));
    return found.flatMap((one) => one ?? []);
  }
}

/** The fixed table that an event of a table, or of something in one, is about. */
export function fixedTableOf(
  value: { readonly nfgenFamily: number } & ({ readonly table?: string } | { readonly name?: string }),
): FixedTableName | undefined {
  const table = 'table' in value ? value.table : 'name' in value ? value.name : undefined;
  return FIXED_TABLE_NAMES.find(
    (name) => FIXED_TABLES[name].table === table && FAMILIES[FIXED_TABLES[name].family] === value.nfgenFamily,
  );
}

/** One table is the DPU's, all others are routers'. */
const tablesOf = ({ name }: Place): FixedTableName[] =>
  FIXED_TABLE_NAMES.filter((table) => (table === 'uplink') === (name === ''));

const deviceOf = (way: string): string => way.split(' ', 1)[0] ?? '';

async function observeGuard(
  place: Place,
  table: FixedTableName,
): Promise<ObservedObject<GuardSpec> | undefined> {
  const { family, table: name } = FIXED_TABLES[table];
  const nfgenFamily = FAMILIES[family];
  try {
    const found = await place.netfilter.get(nftTable.get({ nfgenFamily, name }));
    const key = guardKey(place.name, table);
    const within = place.name === '' ? {} : { within: namespaceKey(place.name) };
    const comment = Buffer.from(found.userdata ?? []).toString('latin1');
    const [, revision, told] = COMMENT.exec(comment) ?? [];
    // While the uplink does not forward, the table is not what it is for.
    const way = told === undefined || isForwarding(place, deviceOf(told)) ? told : '';
    const common = { kind: 'guard', namespace: place.name, table } as const;
    if (revision === undefined) {
      const spec = { ...common, revision: 0, rules: 0 };
      return { key, spec, ...within, ownership: { kind: 'foreign', found: 'a table of the same name' } };
    }
    const rules = await fixedRules(place, table);
    const spec = { ...common, revision: Number(revision), rules, ...(way === undefined ? {} : { way }) };
    return { key, spec, ...within, ownership: { kind: 'owned' } };
  } catch (failure) {
    if (failure instanceof NetlinkError && failure.code === 'ENOENT') return undefined;
    throw failure;
  }
}

/** How many rules the chains have that never change. */
async function fixedRules(place: Place, table: FixedTableName): Promise<number> {
  const { family, table: name, chains }: FixedTable = FIXED_TABLES[table];
  const where = { nfgenFamily: FAMILIES[family], table: name };
  let count = 0;
  for (const chain of chains ?? [undefined]) {
    const rules = await place.netfilter.dump(nftRule.dump(chain === undefined ? where : { ...where, chain }));
    count += rules.length;
  }
  return count;
}

/** Runs `nft -f -` in the namespace. A child that is started in there stays there; the wait for it is elsewhere. */
async function load(place: Place, table: FixedTableName, way: string): Promise<OperationResult> {
  const existing = await observeGuard(place, table);
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
      if (status === 0) {
        // Not before the rules that say what may be forwarded.
        if (way !== '') setForwarding(place, deviceOf(way), true);
        resolve(DONE);
      } else
        resolve({ kind: 'failed', error: { code: `EXIT${status}`, message: text.split('\n', 1)[0] ?? '' } });
    });
    child?.stdin?.on('error', () => undefined);
    const { script, revision } = FIXED_TABLES[table];
    child?.stdin?.end(script(tableComment(revision, way), way));
  });
}
