// A planner with inventory, as a service drives it, without a store.
import { unwrap } from '@outboard/core';
import { type MacAddress, type Name, parseManifest, type SerialNumber, type Uid } from '@outboard/model';
import {
  type Command,
  decide,
  type InventoryChange,
  type PlannedIntent,
  type PlannedResource,
  project,
  takeDocumentChanges,
  World,
} from '@outboard/planner';

const PF = '08:c0:eb:00:00:01' as MacAddress;

/** A planner with its store's revision. */
export class PlannedFleet {
  world = World.load([], 1);
  revision = 1;
  #uids = 0;

  context() {
    return {
      revision: this.revision + 1,
      now: 1_795_000_000_000,
      newUid: () => `0192f3c1-7a2e-7c1b-8000-${(++this.#uids).toString(16).padStart(12, '0')}` as Uid,
    };
  }

  /** DPUs with as many virtual functions each. */
  build(dpus: number, functions: number): void {
    const changes: InventoryChange[] = [];
    for (let index = 0; index < dpus; index++) {
      const name = `dpu-${index}` as Name;
      const serialNumber = `SN${index}` as SerialNumber;
      const tunnelEndpoint = `10.${100 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
      changes.push({
        operation: 'put',
        record: {
          kind: 'Dpu',
          name,
          serialNumber,
          tunnelEndpoint: tunnelEndpoint as never,
          underlayMtu: 1500,
          hardwareOffload: false,
          trunks: false,
          labels: {},
          encapsulations: ['VXLAN'],
          reachable: true,
          schedulable: true,
        },
      });
      for (let vfNumber = 0; vfNumber < functions; vfNumber++) {
        changes.push({
          operation: 'put',
          record: {
            kind: 'Function',
            name: `${name}-pf0vf${vfNumber}` as Name,
            dpu: name,
            identity: { serialNumber, pfMacAddress: PF, vfNumber },
            representor: `pf0vf${vfNumber}`,
          },
        });
      }
    }
    project(this.world, changes, this.context());
    this.commit();
  }

  /** Throws what the planner refuses. */
  decide(command: Command): PlannedResource {
    return unwrap(decide(this.world, command, this.context())).resource;
  }

  /** How many documents have changed since the last time. */
  commit(): number {
    this.revision++;
    return takeDocumentChanges(this.world, this.revision).length;
  }
}

/** The command that a manifest of tenant `acme` is. */
export function applying(kind: string, name: string, spec: object, labels: object = {}): Command {
  const apiVersion = 'network.outboard.dev/v1alpha1';
  const manifest = JSON.parse(
    JSON.stringify({ apiVersion, kind, metadata: { tenant: 'acme', name, labels }, spec }),
  );
  return { operation: 'apply', intent: unwrap(parseManifest(manifest)) as PlannedIntent };
}

/** What names a virtual function of a DPU of the fleet, by their numbers. */
export const functionOf = (dpu: number, vfNumber: number) => ({
  serialNumber: `SN${dpu}`,
  pfMacAddress: PF,
  vfNumber,
});
