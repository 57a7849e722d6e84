import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AccelerationStep_Operation,
  EngineCapability_Implementation,
  EngineCapability_Placement,
} from '@outboard/contracts';
import { settled } from '@outboard/resource-service/testing';
import { AdminLaboratory, functionOf, LEASE_MILLISECONDS, portOf, reportOf } from './admin-laboratory.js';

const SN = 'MT2113X00042';

describe('registration', () => {
  let laboratory: AdminLaboratory;
  beforeEach(async () => {
    laboratory = await AdminLaboratory.open();
  });
  afterEach(() => laboratory.close());
  const report: AdminLaboratory['report'] = (...of) => laboratory.report(...of);

  it('makes a DPU and its functions of what a worker has found, each with an event', async () => {
    expect(await report('dpu-7', reportOf(SN))).toMatchObject({ ok: true });
    expect(laboratory.dpu('dpu-7')).toMatchObject({
      metadata: { tenant: '_', name: 'dpu-7', generation: 1 },
      spec: { host: 'host-1.example.org' },
      status: {
        serialNumber: SN,
        incarnation: `boot-of-${SN}`,
        driver: 'linux',
        underlay: { device: 'up0', address: '10.255.1.1', mtu: 1500 },
        functions: 3,
        conditions: [
          { type: 'Accepted', status: 'True' },
          { type: 'Healthy', status: 'True' },
          { type: 'Ready', status: 'True' },
        ],
      },
    });
    expect(laboratory.functionNames()).toEqual(['dpu-7-pf0', 'dpu-7-pf0vf0', 'dpu-7-pf0vf1']);
    expect(laboratory.function('dpu-7-pf0vf1')).toMatchObject({
      spec: { pool: 'default' },
      status: {
        dpu: 'dpu-7',
        serialNumber: SN,
        vfNumber: 1,
        flavour: 'PCI_VF',
        state: 'ACTIVE',
        opState: 'ATTACHED',
        representor: { netdev: 'pf0vf1' },
        attachment: 'HOST',
      },
    });
    expect(laboratory.events.toSorted()).toEqual([
      'dpu-7 ready',
      'dpu-7-pf0 ready',
      'dpu-7-pf0vf0 ready',
      'dpu-7-pf0vf1 ready',
    ]);
  });

  it('tells what applications can use its engines for, and no longer when its worker serves none', async () => {
    const acceleration = {
      sealingPublicKey: new Uint8Array(32).fill(7),
      socketDirectory: '/run/acceleration',
      capabilities: [
        {
          operation: AccelerationStep_Operation.ENCRYPT,
          algorithm: 'AES_256_GCM',
          module: 'libcrypto',
          implementation: EngineCapability_Implementation.SOFTWARE_NATIVE,
          placement: EngineCapability_Placement.LOOKASIDE,
          keyBits: 256,
          maximumInput: 1_114_112n,
          lane: 'LIGHT',
          speeds: [{ inputBytes: 65_536, megabytesPerSecond: 4_000 }],
        },
      ],
      quarantined: [{ module: 'isal', reason: 'libisal.so.2 is not there' }],
    };
    await report('dpu-7', reportOf(SN, { acceleration }));
    expect(laboratory.dpu('dpu-7')?.status.accelerator).toMatchObject({
      sealingPublicKey: Buffer.from(acceleration.sealingPublicKey).toString('base64'),
      socketDirectory: '/run/acceleration',
      engines: [
        {
          operation: 'ENCRYPT',
          algorithm: 'AES_256_GCM',
          implementation: 'SOFTWARE_NATIVE',
          placement: 'LOOKASIDE',
          maximumInput: 1_114_112,
          speeds: [{ inputBytes: 65_536, megabytesPerSecond: 4_000 }],
        },
      ],
      quarantined: [{ module: 'isal', operation: '', reason: 'libisal.so.2 is not there' }],
    });
    await report('dpu-7', reportOf(SN));
    expect(laboratory.dpu('dpu-7')?.status.accelerator).toBeUndefined();
  });

  it('without an underlay is told as it is: the DPU is connected, and not healthy until it has one', async () => {
    await report('dpu-7', reportOf(SN));
    await report('dpu-7', reportOf(SN, { underlay: undefined }));
    expect(laboratory.dpu('dpu-7')?.status.underlay).toBeUndefined();
    expect(laboratory.health('Dpu', 'dpu-7')).toBe('UnderlayUnknown');
    expect(laboratory.events.at(-1)).toBe('dpu-7 notready');
    expect(await laboratory.heartbeat('dpu-7', reportOf(SN, { underlay: undefined }))).toBe(false);
    expect(laboratory.health('Dpu', 'dpu-7')).toBe('UnderlayUnknown');
    await laboratory.clock.advance(LEASE_MILLISECONDS);
    await settled();
    expect(laboratory.health('Dpu', 'dpu-7')).toBe('LeaseExpired');
    await laboratory.heartbeat('dpu-7', reportOf(SN, { underlay: undefined }));
    expect(laboratory.health('Dpu', 'dpu-7')).toBe('UnderlayUnknown');
    await report('dpu-7', reportOf(SN));
    expect(laboratory.health('Dpu', 'dpu-7')).toBe('LeaseRenewed');
    expect(laboratory.events.at(-1)).toBe('dpu-7 ready');
    await report('dpu-8', reportOf('MT-8', { underlay: undefined }));
    expect(laboratory.events).toContain('dpu-8 notready');
  });

  it('of the same again writes nothing', async () => {
    await report('dpu-7', reportOf(SN));
    const revision = laboratory.store.read((snapshot) => snapshot.revision);
    await report('dpu-7', reportOf(SN));
    await laboratory.restart();
    await report('dpu-7', reportOf(SN));
    // What the restart wrote is a revision of its own.
    expect(laboratory.store.read((snapshot) => snapshot.revision)).toBe(revision + 1);
  });

  it('with other functions adds what appeared and removes what vanished', async () => {
    await report('dpu-7', reportOf(SN));
    await report('dpu-7', reportOf(SN, { functions: [functionOf(), functionOf(1), functionOf(2)] }));
    expect(laboratory.functionNames()).toEqual(['dpu-7-pf0', 'dpu-7-pf0vf1', 'dpu-7-pf0vf2']);
    expect(laboratory.dpu('dpu-7')?.status.functions).toBe(3);
    expect(laboratory.events).toContain('dpu-7-pf0vf0 deleted');
  });

  it('keeps a vanished function as long as a port has bound it, and shows that it is gone', async () => {
    await report('dpu-7', reportOf(SN));
    await laboratory.publishPort('web-0', portOf('web-0', { serialNumber: SN, vfNumber: 0 }));
    await report('dpu-7', reportOf(SN, { functions: [functionOf()] }));
    expect(laboratory.functionNames()).toEqual(['dpu-7-pf0', 'dpu-7-pf0vf0']);
    expect(laboratory.health('Function', 'dpu-7-pf0vf0')).toBe('FunctionVanished');
    expect(laboratory.function('dpu-7-pf0vf0')?.status.representor).toBeUndefined();
    expect(laboratory.events).toContain('dpu-7-pf0vf0 notready');
    await report('dpu-7', reportOf(SN));
    expect(laboratory.health('Function', 'dpu-7-pf0vf0')).toBe('Discovered');
    await report('dpu-7', reportOf(SN, { functions: [functionOf()] }));
    await laboratory.publishPort('web-0', undefined);
    expect(laboratory.functionNames()).toEqual(['dpu-7-pf0']);
  });

  it('keeps what callers said of DPUs and functions, also of functions that vanish and return', async () => {
    await report('dpu-7', reportOf(SN));
    await laboratory.apply('Dpu', 'dpu-7', { host: 'other.example.org' }, { labels: { rack: 'r12' } });
    await laboratory.apply('Function', 'dpu-7-pf0vf0', { pool: 'pods' });
    await laboratory.apply('Function', 'dpu-7-pf0vf1', {}, { labels: { tier: 'gold' } });
    const after = reportOf(SN, { incarnation: 'second-boot', host: 'ignored.example.org' });
    await report('dpu-7', { ...after, functions: [functionOf()] } as typeof after);
    expect(laboratory.health('Function', 'dpu-7-pf0vf0')).toBe('FunctionVanished');
    await report('dpu-7', after);
    expect(laboratory.dpu('dpu-7')).toMatchObject({
      metadata: { labels: { rack: 'r12' }, generation: 2 },
      spec: { host: 'other.example.org' },
      status: { incarnation: 'second-boot' },
    });
    expect(laboratory.function('dpu-7-pf0vf0')).toMatchObject({ spec: { pool: 'pods' } });
    expect(laboratory.function('dpu-7-pf0vf1')).toMatchObject({ metadata: { labels: { tier: 'gold' } } });
    expect(laboratory.health('Function', 'dpu-7-pf0vf1')).toBe('Discovered');
  });

  it('is refused for a serial number that another DPU has', async () => {
    await report('dpu-7', reportOf(SN));
    expect(await report('dpu-8', reportOf(SN))).toMatchObject({
      error: { code: 'ALREADY_EXISTS', reason: 'SERIAL_NUMBER_TAKEN', metadata: { holder: 'dpu-7' } },
    });
    expect(laboratory.dpu('dpu-8')).toBeUndefined();
    await laboratory.apply('Dpu', 'dpu-9', { serialNumber: 'MT-9' });
    expect(await report('dpu-8', reportOf('MT-9'))).toMatchObject({
      error: { metadata: { holder: 'dpu-9' } },
    });
    expect(await laboratory.apply('Dpu', 'dpu-8', { serialNumber: SN })).toMatchObject({
      error: { reason: 'SERIAL_NUMBER_TAKEN' },
    });
  });

  it('is refused for another serial number than the first one, or than the spec says', async () => {
    await report('dpu-7', reportOf(SN));
    expect(await report('dpu-7', reportOf('OTHER'))).toMatchObject({
      error: { code: 'PERMISSION_DENIED', reason: 'SERIAL_NUMBER_MISMATCH' },
    });
    await laboratory.apply('Dpu', 'dpu-8', { serialNumber: 'MT-8' });
    expect(await report('dpu-8', reportOf('OTHER'))).toMatchObject({
      error: { reason: 'SERIAL_NUMBER_MISMATCH' },
    });
    expect(await report('dpu-8', reportOf('MT-8'))).toMatchObject({ ok: true });
    expect(await laboratory.apply('Dpu', 'dpu-8', { serialNumber: 'OTHER' })).toMatchObject({
      error: { code: 'INVALID_ARGUMENT', violations: [{ field: 'spec.serialNumber' }] },
    });
    expect(laboratory.dpu('dpu-7')?.status.serialNumber).toBe(SN);
  });

  it('a DPU that was announced before its worker registers waits for it', async () => {
    await laboratory.apply('Dpu', 'dpu-7', { serialNumber: SN, host: 'announced.example.org' });
    expect(laboratory.health('Dpu', 'dpu-7')).toBe('NeverReported');
    expect(laboratory.events).toEqual(['dpu-7 accepted']);
    await report('dpu-7', reportOf(SN));
    expect(laboratory.dpu('dpu-7')?.spec.host).toBe('announced.example.org');
    expect(laboratory.health('Dpu', 'dpu-7')).toBe('LeaseRenewed');
  });

  it('a function may be put into a pool before it is discovered', async () => {
    await laboratory.apply('Function', 'dpu-7-pf0vf1', { pool: 'pods' });
    expect(laboratory.health('Function', 'dpu-7-pf0vf1')).toBe('NeverReported');
    await report('dpu-7', reportOf(SN));
    expect(laboratory.function('dpu-7-pf0vf1')).toMatchObject({
      spec: { pool: 'pods' },
      status: { dpu: 'dpu-7', vfNumber: 1 },
    });
    expect(laboratory.health('Function', 'dpu-7-pf0vf1')).toBe('Discovered');
  });

  it('is possible again for a DPU that was deleted', async () => {
    await report('dpu-7', reportOf(SN));
    await laboratory.clock.advance(LEASE_MILLISECONDS);
    await settled();
    expect(await laboratory.remove('dpu', 'dpu-7')).toMatchObject({ ok: true });
    expect(laboratory.functionNames()).toEqual([]);
    expect(await laboratory.heartbeat('dpu-7', reportOf(SN))).toBe(true);
    expect(await report('dpu-8', reportOf(SN))).toMatchObject({ ok: true });
  });
});

describe('a DPU or function', () => {
  let laboratory: AdminLaboratory;
  beforeEach(async () => {
    laboratory = await AdminLaboratory.open();
    await laboratory.report('dpu-7', reportOf(SN));
  });
  afterEach(() => laboratory.close());
  const disconnect = async (): Promise<void> => {
    await laboratory.clock.advance(LEASE_MILLISECONDS);
    await settled();
  };

  it('that a port has bound cannot be deleted: the refusal names the ports', async () => {
    for (let vfNumber = 0; vfNumber < 2; vfNumber++) {
      await laboratory.publishPort(
        `web-${vfNumber}`,
        portOf(`web-${vfNumber}`, { serialNumber: SN, vfNumber }),
      );
    }
    expect(await laboratory.remove('function', 'dpu-7-pf0vf1')).toMatchObject({
      error: { code: 'FAILED_PRECONDITION', reason: 'IN_USE', metadata: { users: 'port acme/web-1' } },
    });
    await disconnect();
    expect(await laboratory.remove('dpu', 'dpu-7')).toMatchObject({
      error: { reason: 'IN_USE', metadata: { total: '2', users: 'port acme/web-0, port acme/web-1' } },
    });
    for (const name of ['web-0', 'web-1']) await laboratory.publishPort(name, undefined);
    expect(await laboratory.remove('dpu', 'dpu-7')).toMatchObject({ ok: true });
  });

  it('that is there cannot be deleted: a connected DPU, a function that its DPU shows', async () => {
    expect(await laboratory.remove('dpu', 'dpu-7')).toMatchObject({ error: { reason: 'DPU_CONNECTED' } });
    expect(await laboratory.remove('function', 'dpu-7-pf0vf0')).toMatchObject({
      error: { reason: 'FUNCTION_PRESENT' },
    });
    await laboratory.apply('Function', 'dpu-9-pf0');
    expect(await laboratory.remove('function', 'dpu-9-pf0')).toMatchObject({ ok: true });
  });

  it('that is gone takes its functions along when it is deleted', async () => {
    await disconnect();
    expect(await laboratory.remove('dpu', 'dpu-7')).toMatchObject({ ok: true });
    expect(laboratory.functionNames()).toEqual([]);
    expect(laboratory.events.filter((event) => event.endsWith('deleted'))).toHaveLength(4);
  });

  it('belongs to no tenant: no tenant can change it', async () => {
    await disconnect();
    expect(await laboratory.request('delete', 'dpu', { name: 'dpu-7' }, 'acme')).toMatchObject({
      error: { code: 'INVALID_ARGUMENT', violations: [{ field: 'metadata.tenant' }] },
    });
    expect(await laboratory.request('get', 'dpu', { name: 'dpu-7' }, 'acme')).toMatchObject({
      error: { code: 'NOT_FOUND' },
    });
    const settlement = await laboratory.admin.handleIntent({
      subject: 'outboard.v1alpha1.intent.acme.admin.dpu.dpu-7',
      headers: { 'Outboard-Operation': 'delete' },
      body: new Uint8Array(),
      deliveries: 1,
      streamSequence: 1,
      storedAt: 1,
      streamMadeAt: 1,
    });
    expect(settlement).toEqual({ kind: 'ack' });
    await settled();
    expect(laboratory.events).toContain('dpu-7 refused');
    expect(laboratory.dpu('dpu-7')).toBeDefined();
  });

  it('is changed only by who knows its present version', async () => {
    const { resourceVersion, uid } = laboratory.dpu('dpu-7')?.metadata ?? {};
    const stale = { resourceVersion: '1' };
    expect(await laboratory.apply('Dpu', 'dpu-7', {}, stale)).toMatchObject({
      error: { code: 'ABORTED', reason: 'STALE' },
    });
    const other = { uid: '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11' };
    expect(await laboratory.apply('Dpu', 'dpu-7', {}, other)).toMatchObject({
      error: { code: 'ABORTED', reason: 'UID_MISMATCH' },
    });
    expect(await laboratory.apply('Dpu', 'dpu-7', {}, { resourceVersion, uid })).toMatchObject({ ok: true });
    expect(await laboratory.apply('Dpu', 'dpu-0', {}, stale)).toMatchObject({ error: { reason: 'STALE' } });
  });

  it('can be planned: what would change is told, and nothing does', async () => {
    await disconnect();
    const plan = async (manifest: unknown, operation?: string) => {
      const reply = await laboratory.bus.request(
        `outboard.v1alpha1.rpc._.admin.dpu.plan`,
        {
          headers: operation ? { 'Outboard-Operation': operation } : {},
          body: Buffer.from(JSON.stringify(manifest)),
        },
        { deadlineMilliseconds: 1_000 },
      );
      if (!reply.ok) throw reply.error;
      return JSON.parse(Buffer.from(reply.value.body).toString());
    };
    const before = laboratory.store.read((snapshot) => snapshot.revision);
    expect(await plan({ name: 'dpu-7' }, 'delete')).toEqual({
      changed: ['Dpu/_/dpu-7', 'Function/_/dpu-7-pf0', 'Function/_/dpu-7-pf0vf0', 'Function/_/dpu-7-pf0vf1'],
      documents: [],
    });
    const manifest = { apiVersion: 'admin.outboard.dev/v1alpha1', kind: 'Dpu', metadata: { name: 'dpu-8' } };
    expect(await plan(manifest)).toEqual({ changed: ['Dpu/_/dpu-8'], documents: [] });
    expect(laboratory.store.read((snapshot) => snapshot.revision)).toBe(before);
    expect(await laboratory.remove('dpu', 'dpu-7')).toMatchObject({ ok: true });
    expect(await laboratory.remove('dpu', 'dpu-8')).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });
});
