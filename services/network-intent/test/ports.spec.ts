import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HEADERS } from '@outboard/contracts';
import { functionOf, NetworkLaboratory } from './network-laboratory.js';

/** The `ready` event of docs/architecture.md, as a foreign client reads it. */
const EXAMPLE = {
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'Port',
  metadata: {
    tenant: 'acme',
    name: 'web-0',
    uid: '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11',
    generation: 3,
    resourceVersion: '1042',
  },
  status: {
    observedGeneration: 3,
    dpu: 'dpu-7',
    representor: 'pf0vf3',
    mtu: 1450,
    addresses: [{ subnet: 'blue-v4', ip: '10.0.1.5', prefixLength: 24, gateway: '10.0.1.1' }],
    segment: { networkType: 'GENEVE', segmentationId: 5001 },
    offload: { state: 'SOFTWARE', reason: 'NoHardware' },
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'AppliedAndReadBack',
        observedGeneration: 3,
        lastTransitionTime: '2026-11-22T10:08:00Z',
        message: '1 of 1 DPU',
      },
    ],
  },
};

/** Keys of the example that are absent, or have another type; elements of lists are compared with their namesakes. */
function differences(example: unknown, actual: unknown, path = ''): string[] {
  if (Array.isArray(example)) {
    return example.flatMap((item: { type?: string }, index) => {
      const namesake = (actual as (typeof item)[] | undefined)?.find(({ type }) => type === item.type);
      return differences(item, namesake, `${path}[${index}]`);
    });
  }
  if (typeof example !== 'object' || example === null) return typeof actual === typeof example ? [] : [path];
  return Object.entries(example).flatMap(([key, value]) =>
    differences(value, (actual as Record<string, unknown> | undefined)?.[key], `${path}.${key}`),
  );
}

describe('a port', () => {
  let laboratory: NetworkLaboratory;
  beforeEach(async () => {
    laboratory = await NetworkLaboratory.open();
  });
  afterEach(() => laboratory.close());

  it('goes from intent to accepted, delta, report and ready, in the JSON of the contract', async () => {
    const [worker] = await laboratory.fleet(['dpu-7'], 4);
    if (!worker) throw new Error('no worker');
    await laboratory.blue();
    worker.deltas.length = 0;
    const accepted = await laboratory.apply(
      'Port',
      'web-0',
      {
        network: 'blue',
        function: functionOf('dpu-7', 3),
        addresses: [{ subnet: 'blue-v4', ip: '10.0.1.5' }],
        macAddress: '02:00:5e:00:10:05',
        securityPolicies: [],
        allowedAddressPairs: [],
        adminState: 'UP',
        offload: 'PREFERRED',
      },
      { messageId: 'port-1', labels: { app: 'web' } },
    );
    expect(accepted.transition).toBe('accepted');
    await laboratory.quiet();
    expect(worker.deltas).toHaveLength(1);
    const { uid } = laboratory.port('web-0')?.metadata ?? {};
    expect(worker.keys('endpoint')).toEqual([`endpoint/${uid}`]);
    expect(worker.isConsistent).toBe(true);
    const { headers, json } = laboratory.event('web-0', 'ready');
    expect(headers).toMatchObject({
      [HEADERS.cause]: 'port-1',
      [HEADERS.actor]: 'dpu/dpu-7',
      [HEADERS.revision]: json.metadata.resourceVersion,
      'ce-type': 'dev.outboard.network.port.ready',
    });
    expect(differences(EXAMPLE, json)).toEqual([]);
    expect(Object.keys(json)).toEqual(Object.keys(EXAMPLE));
    expect(json.status).toMatchObject({
      dpu: 'dpu-7',
      representor: 'pf0vf3',
      addresses: EXAMPLE.status.addresses,
      propagated: { applied: 1, total: 1 },
    });
    expect(json.status.conditions.at(-1)).toMatchObject({
      type: 'Ready',
      status: 'True',
      reason: 'AppliedAndReadBack',
    });
  });

  it('on an unknown function is accepted and Pending, and planned as soon as the function appears', async () => {
    await laboratory.blue();
    expect(
      await laboratory.apply('Port', 'web-0', { network: 'blue', function: functionOf('dpu-1', 0) }),
    ).toMatchObject({ transition: 'accepted' });
    expect(laboratory.condition('web-0', 'Planned')).toBe('False FunctionUnknown');
    await laboratory.admin.putDpu('dpu-1');
    await laboratory.quiet();
    const worker = await laboratory.worker('dpu-1');
    expect(laboratory.condition('web-0', 'Planned')).toBe('False FunctionUnknown');
    await laboratory.admin.putFunction('dpu-1', 0, false);
    await laboratory.quiet();
    expect(laboratory.condition('web-0', 'Planned')).toBe('False RepresentorUnknown');
    await laboratory.admin.putFunction('dpu-1', 0);
    await laboratory.quiet();
    expect(laboratory.condition('web-0', 'Ready')).toBe('True AppliedAndReadBack');
    expect(worker.keys('endpoint')).toHaveLength(1);
    expect(laboratory.transitions('web-0')).toEqual(['accepted', 'notready', 'notready', 'ready']);
  });

  it('moves from DPU to DPU: gone from the one, there on the other, and everybody else is told', async () => {
    const [one, two, three] = await laboratory.fleet(['dpu-1', 'dpu-2', 'dpu-3'], 2);
    await laboratory.blue();
    const at = (dpu: string) => ({ network: 'blue', function: functionOf(dpu, 0) });
    await laboratory.apply('Port', 'stays', { network: 'blue', function: functionOf('dpu-3', 1) });
    await laboratory.apply('Port', 'moves', at('dpu-1'));
    await laboratory.quiet();
    const addresses = laboratory.port('moves')?.status.addresses;
    await laboratory.apply('Port', 'moves', at('dpu-2'), { messageId: 'move' });
    await laboratory.quiet();
    const uid = laboratory.port('moves')?.metadata.uid;
    expect(one?.keys()).toEqual([]);
    expect(two?.keys('endpoint')).toEqual([`endpoint/${uid}`]);
    expect(three?.keys('remoteendpoint')).toEqual([`remoteendpoint/${uid}`]);
    expect(three?.keys('tunnelpeer')).toHaveLength(1);
    expect(laboratory.port('moves')?.status).toMatchObject({ dpu: 'dpu-2', addresses });
    expect(laboratory.condition('moves', 'Ready')).toBe('True AppliedAndReadBack');
    expect(laboratory.event('moves', 'ready').headers[HEADERS.cause]).toBe('move');
  });

  it('keeps its network from being deleted; without it the network goes and can be made again', async () => {
    await laboratory.fleet(['dpu-1'], 1);
    await laboratory.blue();
    await laboratory.apply('Port', 'web-0', { network: 'blue', function: functionOf('dpu-1', 0) });
    const refused = await laboratory.apply('Network', 'blue', undefined);
    expect(refused).toMatchObject({ transition: 'refused', json: { status: 'FAILED_PRECONDITION' } });
    expect(JSON.stringify(refused.json)).toContain('port acme/web-0');
    expect(JSON.stringify(refused.json)).toContain('subnet acme/blue-v4');
    for (const [kind, name] of [
      ['Port', 'web-0'],
      ['Subnet', 'blue-v4'],
      ['Network', 'blue'],
    ] as const) {
      expect(await laboratory.apply(kind, name, undefined)).toMatchObject({ transition: 'deleted' });
    }
    await laboratory.blue();
    await laboratory.apply('Port', 'web-0', { network: 'blue', function: functionOf('dpu-1', 0) });
    await laboratory.quiet();
    expect(laboratory.condition('web-0', 'Ready')).toBe('True AppliedAndReadBack');
  });

  it('of a DPU that cannot be reached is not ready, keeps its place, and is ready again with the DPU', async () => {
    const [worker] = await laboratory.fleet(['dpu-1'], 1);
    await laboratory.blue();
    await laboratory.apply('Port', 'web-0', { network: 'blue', function: functionOf('dpu-1', 0) });
    await laboratory.quiet();
    const held = worker?.keys();
    await laboratory.admin.putDpu('dpu-1', { isHealthy: false });
    await laboratory.quiet();
    expect(laboratory.condition('web-0', 'Healthy')).toBe('Unknown DpuUnreachable');
    expect(laboratory.condition('web-0', 'Ready')).toBe('Unknown DpuUnreachable');
    expect(worker?.keys()).toEqual(held);
    await laboratory.admin.putDpu('dpu-1');
    await laboratory.quiet();
    expect(laboratory.condition('web-0', 'Ready')).toBe('True AppliedAndReadBack');
    expect(laboratory.transitions('web-0')).toEqual(['accepted', 'ready', 'notready', 'ready']);
  });

  it('does not wait for other DPUs of its network: an unreachable one lags', async () => {
    const [, two] = await laboratory.fleet(['dpu-1', 'dpu-2'], 2);
    await laboratory.blue();
    await laboratory.apply('Port', 'far', { network: 'blue', function: functionOf('dpu-2', 0) });
    await laboratory.quiet();
    if (two) two.isCutOff = true;
    await laboratory.apply('Port', 'near', { network: 'blue', function: functionOf('dpu-1', 0) });
    await laboratory.quiet();
    expect(laboratory.condition('near', 'Ready')).toBe('True AppliedAndReadBack');
    expect(laboratory.port('near')?.status.propagated).toEqual({ applied: 1, total: 2, lagging: ['dpu-2'] });
    if (two) two.isCutOff = false;
    await two?.sync();
    await laboratory.quiet();
    expect(laboratory.port('near')?.status.propagated).toEqual({ applied: 2, total: 2, lagging: [] });
  });

  it('that its DPU cannot apply says why, and recovers', async () => {
    const [worker] = await laboratory.fleet(['dpu-1'], 1);
    await laboratory.blue();
    if (worker) worker.isReporting = false;
    await laboratory.apply('Port', 'web-0', { network: 'blue', function: functionOf('dpu-1', 0) });
    await laboratory.quiet();
    expect(laboratory.condition('web-0', 'Applied')).toBe('False Applying');
    const key = `endpoint/${laboratory.port('web-0')?.metadata.uid}`;
    worker?.problems.set(key, `no such device: ${'x'.repeat(100_000)}`);
    await worker?.report();
    await laboratory.quiet();
    expect(laboratory.condition('web-0', 'Ready')).toBe('False Failed');
    const { json } = laboratory.event('web-0', 'notready');
    expect(json.status.conditions.at(-1).message).toMatch(/^no such device: x{496}$/);
    worker?.problems.clear();
    await worker?.report();
    await laboratory.quiet();
    expect(laboratory.condition('web-0', 'Ready')).toBe('True AppliedAndReadBack');
  });

  it('can be planned: the objects on each DPU are told, and nothing changes', async () => {
    const [one, two] = await laboratory.fleet(['dpu-1', 'dpu-2'], 2);
    await laboratory.blue();
    await laboratory.apply('Port', 'near', { network: 'blue', function: functionOf('dpu-1', 0) });
    await laboratory.quiet();
    const versions = [one?.version, two?.version];
    const manifest = {
      apiVersion: 'network.outboard.dev/v1alpha1',
      kind: 'Port',
      metadata: { name: 'far' },
      spec: { network: 'blue', function: functionOf('dpu-2', 0) },
    };
    const planned = await laboratory.request('plan', 'port', manifest);
    expect(planned).toMatchObject({
      value: {
        changed: expect.arrayContaining(['Port/acme/far']),
        documents: [
          {
            dpu: 'dpu-1',
            upserts: [expect.stringMatching(/^remoteendpoint/), expect.stringMatching(/^tunnelpeer/)],
            deletes: [],
          },
          {
            dpu: 'dpu-2',
            upserts: expect.arrayContaining([expect.stringMatching(/^endpoint/)]),
            deletes: [],
          },
        ],
      },
    });
    expect(laboratory.port('far')).toBeUndefined();
    await laboratory.quiet();
    expect([one?.version, two?.version]).toEqual(versions);
    expect(await laboratory.request('plan', 'port', { ...manifest, spec: { network: 'red' } })).toMatchObject(
      {
        error: { code: 'NOT_FOUND', reason: 'NETWORK_NOT_FOUND' },
      },
    );
  });
});
