import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { IntentPublisher, StateCache } from '@outboard/client';
import { unwrap } from '@outboard/core';
import { addressOf, isReady, type KindName } from '@outboard/model';
import { Fleet, fleetDpu } from './fleet.js';
import { FleetServices } from './testing/fleet-services.js';

jest.setTimeout(60_000);

const FIRST = 7;
const DPUS = 5;
const TENANT = 'acme';
const READY_MILLISECONDS = 30_000;
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

describe('a fleet of simulated DPUs, with the real services on a real broker', () => {
  let services: FleetServices;
  let state: StateCache;
  let publisher: IntentPublisher;
  let fleet: Fleet;

  beforeAll(async () => {
    services = await FleetServices.start();
    const { bus, directory, url } = services;
    state = await StateCache.open(bus);
    publisher = await IntentPublisher.open(bus, TENANT);
    fleet = new Fleet({
      servers: url,
      directory,
      first: FIRST,
      count: DPUS,
      functions: 2,
      log: SILENT,
    });
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
    await publisher[Symbol.asyncDispose]();
    await state[Symbol.asyncDispose]();
    await services[Symbol.asyncDispose]();
  });

  /** The incarnations of the DPUs that are ready, by name. */
  const incarnations = (): Map<string, string> =>
    new Map(
      [...state.values()].flatMap((resource): [string, string][] =>
        resource.kind === 'Dpu' && isReady(resource.status.conditions)
          ? [[resource.metadata.name, resource.status.incarnation ?? '']]
          : [],
      ),
    );

  it('registers every DPU under its number, and is told how many run', async () => {
    const told: number[] = [];
    await fleet.start((running) => told.push(running));
    await state.until('all DPUs are ready', () => incarnations().size === DPUS, READY_MILLISECONDS);
    expect([...incarnations().keys()].sort()).toEqual(['sim-10', 'sim-11', 'sim-7', 'sim-8', 'sim-9']);
    expect(told.at(-1)).toBe(DPUS);
    expect(fleet.running).toBe(DPUS);
  });

  /** Resolves when the intent is accepted. */
  const apply = async (
    kind: KindName,
    name: string,
    spec: object,
    labels: Record<string, string> = {},
  ): Promise<void> => {
    const metadata = { tenant: TENANT, name, labels };
    const manifest = { apiVersion: 'network.outboard.dev/v1alpha1', kind, metadata, spec };
    unwrap(await publisher.submit(addressOf({ kind, metadata }), Buffer.from(JSON.stringify(manifest))));
  };

  /** Every DPU that a policy or an address set of this generation concerns has it; so many they are. */
  const isOn = (kind: 'SecurityPolicy' | 'AddressSet', name: string, generation: number, dpus: number) => {
    const found = state.get(addressOf({ kind, metadata: { tenant: TENANT, name } }));
    if (found?.kind !== kind || found.metadata.generation !== generation) return false;
    const { conditions, propagated } = found.status;
    return isReady(conditions) && propagated?.applied === dpus && propagated.total === dpus;
  };

  it('applies policies: a changed address set, changed rules and changed labels reach every DPU that they concern', async () => {
    await apply('Network', 'net', {});
    await apply('Subnet', 'net-v4', { network: 'net', cidr: '10.9.0.0/24' });
    await apply('AddressSet', 'monitoring', { addresses: ['192.0.2.1'] });
    const policy = (port: number) => ({
      portSelector: { matchLabels: { app: 'web' } },
      ingress: [
        {
          name: 'clients',
          peers: [{ portSelector: { matchLabels: { app: 'client' } } }, { addressSet: 'monitoring' }],
          services: [{ protocol: 'TCP', port }],
        },
      ],
    });
    await apply('SecurityPolicy', 'web', policy(80));
    const port = (index: number, app: string): Promise<void> => {
      const { serialNumber, pfMacAddress } = fleetDpu(FIRST + index);
      const spec = { network: 'net', function: { serialNumber, pfMacAddress, vfNumber: 0 } };
      return apply('Port', `port-${index}`, spec, { app });
    };
    for (let index = 0; index < DPUS; index++) await port(index, 'web');
    const reaches = (kind: 'SecurityPolicy' | 'AddressSet', name: string, generation: number, dpus: number) =>
      state.until(
        `${kind} ${name} is on ${dpus} DPUs`,
        () => isOn(kind, name, generation, dpus),
        READY_MILLISECONDS,
      );
    await reaches('SecurityPolicy', 'web', 1, DPUS);
    await reaches('AddressSet', 'monitoring', 1, DPUS);
    const before = fleet.objects;
    await apply('AddressSet', 'monitoring', { addresses: ['192.0.2.1', '192.0.2.2', '192.0.2.3'] });
    await reaches('AddressSet', 'monitoring', 2, DPUS);
    expect(fleet.objects).toBeGreaterThanOrEqual(before + 2 * DPUS);
    await apply('SecurityPolicy', 'web', policy(443));
    await reaches('SecurityPolicy', 'web', 2, DPUS);
    // A port that is a client now is none of those that the next rules are for.
    await port(0, 'client');
    await apply('SecurityPolicy', 'web', policy(8443));
    await reaches('SecurityPolicy', 'web', 3, DPUS - 1);
  });

  it('reboots as many as it is asked to: they come back as another incarnation, the others stay', async () => {
    const before = incarnations();
    await fleet.reboot(2);
    await state.until(
      'two DPUs have booted again',
      () =>
        incarnations().size === DPUS &&
        [...incarnations()].filter(([name, boot]) => before.get(name) !== boot).length === 2,
      READY_MILLISECONDS,
    );
    expect(fleet.running).toBe(DPUS);
  });
});
