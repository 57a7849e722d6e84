import type { NetworkNamespace } from '@outboard/netlink';
import type { OperationResult, Ownership } from '../driver.js';
import { DONE } from '../handlers.js';
import {
  type DeleteOperation,
  type Handler,
  type Observed,
  type PutOperation,
  resultOfThrown,
} from './handler.js';
import type { PortRow } from './ovsdb/database.js';
import { INTEGRATION_BRIDGE, type PortSpec, portKey } from './realise/ovs-objects.js';
import type { Switch } from './switch.js';
import { deafen } from './underlay.js';

/** Our mark on ports. */
const OWNER_ID = 'outboard-owner';
const KEY_ID = 'outboard-key';

/** Ports of the integration bridge, through the database. */
export class Ports implements Handler {
  constructor(
    private readonly vswitch: Switch,
    private readonly namespace: NetworkNamespace | undefined,
  ) {}

  async put(operations: readonly PutOperation[]): Promise<readonly OperationResult[]> {
    const { database } = this.vswitch;
    const results: OperationResult[] = operations.map(() => DONE);
    const works = operations.flatMap(({ object, mark }, index) => {
      const { name, type, options } = object.spec as PortSpec;
      const existing = database.ports().get(name);
      const ownership = existing === undefined ? undefined : ownershipOf(existing);
      if (ownership?.kind === 'foreign') {
        results[index] = ownership;
        return [];
      }
      if (type === 'system') deafen(this.namespace, name);
      const externalIds = { [OWNER_ID]: mark.owner, [KEY_ID]: mark.key };
      return [{ index, port: { name, type: type === 'system' ? '' : type, options, externalIds } }];
    });
    if (works.length === 0) return results;
    try {
      await database.putPorts(
        INTEGRATION_BRIDGE,
        works.map(({ port }) => port),
      );
    } catch (failure) {
      for (const { index } of works) results[index] = resultOfThrown(failure);
    }
    return results;
  }

  async remove(operations: readonly DeleteOperation[]): Promise<readonly OperationResult[]> {
    const names = operations.map(({ observed }) => (observed as PortSpec).name);
    await this.vswitch.database.removePorts(INTEGRATION_BRIDGE, names);
    return operations.map(() => DONE);
  }

  async observe(keys: readonly string[] | 'all'): Promise<readonly Observed[]> {
    const ports = this.vswitch.database.ports();
    const rows = keys === 'all' ? [...ports.values()] : keys.flatMap((key) => ports.get(key.slice(5)) ?? []);
    // The bridge's own port is part of the bridge.
    return rows.filter(({ name, bridge }) => name !== bridge).map(observed);
  }
}

function observed(row: PortRow): Observed {
  const { name, options, number } = row;
  const type = (row.type === '' ? 'system' : row.type) as PortSpec['type'];
  const spec: PortSpec = { kind: 'port', name, type, options, attached: number !== undefined };
  return { key: portKey(name), spec, ownership: ownershipOf(row) };
}

function ownershipOf({ bridge, externalIds }: PortRow): Ownership {
  const owner = externalIds[OWNER_ID];
  return owner !== undefined && bridge === INTEGRATION_BRIDGE
    ? { kind: 'owned', owner }
    : { kind: 'foreign', found: `a port of the bridge ${bridge} without our mark` };
}
