import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type AccelerationSession, AccelerationSession_Offload } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { findCondition } from '@outboard/model';
import { BrokerLaboratory, COMPRESS, encryptWith, TOKEN_SHA256 } from './broker-laboratory.js';

let laboratory: BrokerLaboratory;
beforeEach(async () => {
  laboratory = await BrokerLaboratory.open();
});
afterEach(() => laboratory.close());

describe('a session', () => {
  it('is placed, served by its DPU, and told with what was granted', async () => {
    await laboratory.dpus('dpu-a');
    const { metadata, status } = await laboratory.session('s', {
      programs: COMPRESS,
      policy: { weight: 3, hostFallback: true, maxInFlightKibibytes: 128 },
      peerUid: 0,
    });
    expect(laboratory.where('s')).toBe('dpu-a 1 Placed Serving');
    expect(status).toMatchObject({
      socketDirectory: `/run/dpu-a/${metadata.uid}`,
      programs: [
        {
          id: 1,
          steps: [{ operation: 'COMPRESS', implementation: 'SOFTWARE_NATIVE', megabytesPerSecond: 1_000 }],
        },
      ],
      offload: {
        asked: 'PREFERRED',
        granted: 'SOFTWARE',
        reason: 'dpu-a has no hardware for COMPRESS ZSTD',
      },
      policy: { weight: 3, maxInFlightJobs: 64, affinity: 'HOST' },
    });
    const [object] = laboratory.objects('dpu-a') as AccelerationSession[];
    expect(object).toMatchObject({
      sessionUid: metadata.uid,
      epoch: 1,
      weight: 3,
      hostFallback: true,
      maxInFlightBytes: 131_072n,
      peerUid: 0,
    });
    expect(Buffer.from(object?.tokenSha256 ?? []).toString('hex')).toBe(TOKEN_SHA256);
    expect(laboratory.transitions('s')).toEqual(['accepted', 'ready']);
  });

  it('tells its DPU which engines may serve it; what needs hardware is not done by its holder', async () => {
    await laboratory.dpus('dpu-a');
    const session = (offload: string) =>
      laboratory.session(offload.toLowerCase(), {
        programs: COMPRESS,
        policy: { offload, hostFallback: true },
      });
    const told = () =>
      (laboratory.objects('dpu-a') as AccelerationSession[]).map(({ offload, hostFallback }) => [
        AccelerationSession_Offload[offload],
        hostFallback,
      ]);
    await session('NEVER');
    expect(told()).toEqual([['NEVER', true]]);
    await laboratory.neighbours.putDpu('dpu-a', { implementation: 'HARDWARE' });
    await laboratory.quiet();
    await session('PREFERRED');
    const { status } = await session('REQUIRED');
    expect(told().sort()).toEqual([
      ['NEVER', true],
      ['REQUIRED', false],
      ['UNSPECIFIED', true],
    ]);
    expect(status.policy?.hostFallback).toBe(false);
    expect(laboratory.where('never')).toMatch(/OnlyHardware/);
  });

  it('has programs and policy of its profile, and follows it; its own policy comes first', async () => {
    await laboratory.dpus('dpu-a');
    const profile = (level: number) =>
      laboratory.apply('AccelerationProfile', 'p', {
        programs: [{ id: 1, steps: [{ operation: 'COMPRESS', algorithm: 'ZSTD', level }] }],
        policy: { weight: 5, maxConnections: 2 },
      });
    await profile(1);
    await laboratory.session('s', { profile: 'p', policy: { weight: 7 } });
    const object = () => laboratory.objects('dpu-a')[0];
    expect(object()).toMatchObject({ weight: 7, maxConnections: 2, programs: [{ steps: [{ level: 1 }] }] });
    await profile(9);
    expect(object()).toMatchObject({ programs: [{ steps: [{ level: 9 }] }] });
    expect(laboratory.where('s')).toBe('dpu-a 1 Placed Serving');
    expect(await laboratory.request('get', 'AccelerationProfile', { name: 'p' })).toMatchObject({
      value: { status: { sessions: 1 } },
    });
    expect(await laboratory.request('delete', 'AccelerationProfile', { name: 'p' })).toMatchObject({
      error: { code: 'FAILED_PRECONDITION', reason: 'IN_USE' },
    });
  });

  it('without a token is not served until one is asked for, which is told once and stored nowhere', async () => {
    await laboratory.dpus('dpu-a');
    unwrap(await laboratory.apply('AccelerationSession', 's', { programs: COMPRESS }));
    expect(laboratory.where('s')).toBe('dpu-a 1 NoToken NotPlanned');
    const first = unwrap(await laboratory.request('token', 'AccelerationSession', { name: 's' }));
    const second = unwrap(await laboratory.request('token', 'AccelerationSession', { name: 's' }));
    expect(second.token).toMatch(/^[0-9a-f]{64}$/);
    expect(second.token).not.toBe(first.token);
    const digest = createHash('sha256').update(Buffer.from(second.token, 'hex')).digest('hex');
    expect(second.tokenSha256).toBe(digest);
    expect(laboratory.found('s').status.tokenSha256).toBe(digest);
    expect(laboratory.where('s')).toBe('dpu-a 1 Placed Serving');
    const stored = laboratory.store.read((snapshot) =>
      JSON.stringify(snapshot.list('AccelerationSession', { limit: 10 })),
    );
    expect(stored).toContain(digest);
    expect(stored + JSON.stringify(laboratory.events)).not.toContain(second.token);
    await laboratory.session('own');
    expect(await laboratory.request('token', 'AccelerationSession', { name: 'own' })).toMatchObject({
      error: { code: 'FAILED_PRECONDITION', reason: 'TOKEN_GIVEN' },
    });
  });

  it('has the token that was told last, wherever it is on its way to a place', async () => {
    unwrap(await laboratory.apply('AccelerationSession', 's', { programs: COMPRESS }));
    const tokenDigest = async (): Promise<string> =>
      unwrap(await laboratory.request('token', 'AccelerationSession', { name: 's' })).tokenSha256;
    expect(laboratory.where('s')).toBe('- 0 Unsupported NotPlanned');
    for (let time = 0; time < 2; time++) {
      const told = await tokenDigest();
      expect(laboratory.found('s').status.tokenSha256).toBe(told);
    }
    await laboratory.neighbours.putDpu('dpu-a');
    await laboratory.quiet();
    expect(laboratory.where('s')).toBe('dpu-a 1 Placed Applying');
    const last = await tokenDigest();
    await laboratory.restart();
    await laboratory.worker('dpu-a');
    const [object] = laboratory.objects('dpu-a') as AccelerationSession[];
    expect(Buffer.from(object?.tokenSha256 ?? []).toString('hex')).toBe(last);
  });

  it('ends with its ttl, without a connection with its lease, and not while it has one', async () => {
    await laboratory.dpus('dpu-a');
    await laboratory.session('short', { programs: COMPRESS, ttlSeconds: 40 });
    await laboratory.session('leased', { programs: COMPRESS, policy: { leaseSeconds: 30 } });
    await laboratory.session('ever');
    const there = async () => {
      const { items } = unwrap(await laboratory.request('list', 'AccelerationSession', {}));
      return items.map(({ metadata }: { metadata: { name: string } }) => metadata.name);
    };
    for (let second = 0; second < 38; second += 2) {
      await laboratory.beat('dpu-a', 'leased', 1);
      await laboratory.clock.advance(2_000);
    }
    expect(await there()).toEqual(['ever', 'leased', 'short']);
    expect(
      unwrap(await laboratory.request('counters', 'AccelerationSession', { name: 'leased' })),
    ).toMatchObject({
      dpu: 'dpu-a',
      connections: 1,
      completedJobs: '7',
    });
    for (let second = 0; second < 5; second++) await laboratory.clock.advance(1_000);
    expect(await there()).toEqual(['ever', 'leased']);
    const why = (name: string) => {
      const { transition, json } = laboratory.events.filter((event) => event.name === name).at(-1) ?? {};
      return [transition, findCondition(json.status.conditions, 'Planned')?.reason];
    };
    expect(why('short')).toEqual(['deleted', 'TtlOver']);
    for (let second = 0; second < 30; second++) await laboratory.clock.advance(1_000);
    expect(await there()).toEqual(['ever']);
    expect(why('leased')).toEqual(['deleted', 'LeaseOver']);
    expect(laboratory.objects('dpu-a')).toHaveLength(1);
  });

  it('has its whole lease again when its DPU is heard of again, or is there at last', async () => {
    await laboratory.session('leased', { programs: COMPRESS, policy: { leaseSeconds: 30 } });
    const isThere = async () =>
      (await laboratory.request('get', 'AccelerationSession', { name: 'leased' })).ok;
    const pass = async (seconds: number): Promise<void> => {
      for (let second = 0; second < seconds; second++) await laboratory.clock.advance(1_000);
    };
    await pass(40);
    await laboratory.dpus('dpu-a');
    await pass(20);
    await laboratory.neighbours.putDpu('dpu-a', { isConnected: false });
    await pass(40);
    await laboratory.neighbours.putDpu('dpu-a');
    await pass(29);
    expect(await isThere()).toBe(true);
    await pass(5);
    expect(await isThere()).toBe(false);
  });

  it('is served only while no other pod has the port of its holder', async () => {
    await laboratory.dpus('dpu-a');
    const { neighbours } = laboratory;
    const of = (pod: string) => ({ 'outboard.dev/namespace': 'shop', 'outboard.dev/pod': pod });
    await neighbours.putPort('acme', 'web-0', 'dpu-a', of('till'));
    await laboratory.session('s', { programs: COMPRESS, holder: { port: 'web-0', pod: 'shop/web' } });
    expect(laboratory.where('s')).toBe('- 0 HolderMismatch NotPlanned');
    expect(laboratory.message('s', 'Planned')).toBe("port web-0 is pod shop/till's, not shop/web's");
    await neighbours.putPort('acme', 'web-0', 'dpu-a', of('web'));
    await laboratory.quiet();
    expect(laboratory.where('s')).toBe('dpu-a 1 Placed Serving');
    await neighbours.putPort('acme', 'web-0', 'dpu-a', of('till'));
    await laboratory.quiet();
    expect(laboratory.where('s')).toBe('dpu-a 1 HolderMismatch NotPlanned');
    expect(laboratory.objects('dpu-a')).toEqual([]);
    await laboratory.restart();
    expect(laboratory.objects('dpu-a')).toEqual([]);
    await neighbours.putPort('acme', 'web-0', 'dpu-a');
    await laboratory.quiet();
    expect(laboratory.where('s')).toBe('dpu-a 1 Placed Serving');
  });

  it('is refused with every rule that it breaks', async () => {
    const refused = await laboratory.apply('AccelerationSession', 's', {
      programs: [
        { id: 0, steps: [{ operation: 'ENCRYPT', algorithm: 'AES_256_GCM' }] },
        { id: 2, steps: [{ operation: 'COMPRESS', algorithm: 'ROT_13' }] },
      ],
      policy: { affinity: 'MOON', weight: 5_000 },
      tokenSha256: 'secret',
    });
    const fields = refused.ok ? [] : refused.error.violations.map(({ field }) => field);
    expect(fields.sort()).toEqual([
      'spec.policy.affinity',
      'spec.policy.weight',
      'spec.programs[0].id',
      'spec.programs[0].steps[0].key',
      'spec.programs[1].steps[0].algorithm',
      'spec.tokenSha256',
    ]);
    expect(await laboratory.apply('AccelerationSession', 's', { profile: 'none' })).toMatchObject({
      error: { code: 'FAILED_PRECONDITION', violations: [{ field: 'spec.profile' }] },
    });
  });
});

describe('a quota', () => {
  it('refuses what would exceed it, of that tenant alone, and takes nothing away', async () => {
    await laboratory.dpus('dpu-a');
    const quota = (spec: object) => laboratory.apply('AccelerationQuota', 'acme', spec);
    await quota({ maxSessions: 2, maxKeys: 1, maxWeight: 10, maxInFlightMebibytes: 200 });
    await laboratory.session('one', { programs: COMPRESS, policy: { weight: 8 } });
    const refusal = { error: { code: 'RESOURCE_EXHAUSTED', reason: 'QUOTA_EXCEEDED' } };
    const asking = (name: string, policy: object) =>
      laboratory.apply('AccelerationSession', name, { programs: COMPRESS, policy });
    expect(await asking('two', { weight: 3 })).toMatchObject(refusal);
    expect(await asking('two', { maxConnections: 64 })).toMatchObject(refusal);
    unwrap(await asking('two', { weight: 2 }));
    expect(await asking('three', {})).toMatchObject(refusal);
    expect(await asking('one', { weight: 9 })).toMatchObject(refusal);
    unwrap(await laboratory.apply('AccelerationSession', 'three', { programs: COMPRESS }, 'globex'));
    const key = { algorithm: 'AES_256_GCM' };
    unwrap(await laboratory.apply('AccelerationKey', 'k', key));
    expect(await laboratory.apply('AccelerationKey', 'l', key)).toMatchObject(refusal);
    unwrap(await quota({ maxSessions: 1, maxWeight: 1 }));
    expect(
      unwrap(await laboratory.request('get', 'AccelerationQuota', { name: 'acme' })).status,
    ).toMatchObject({
      sessions: 2,
      keys: 1,
      weight: 10,
      inFlightMebibytes: 128,
    });
    expect(laboratory.where('one')).toBe('dpu-a 1 Placed Serving');
  });

  it('is not got round by a profile that grows under its sessions', async () => {
    await laboratory.apply('AccelerationQuota', 'acme', { maxWeight: 10 });
    const profile = (weight: number) =>
      laboratory.apply('AccelerationProfile', 'p', { programs: COMPRESS, policy: { weight } });
    unwrap(await profile(2));
    for (const name of ['one', 'two', 'three']) await laboratory.session(name, { profile: 'p' });
    expect(await profile(4)).toMatchObject({ error: { code: 'RESOURCE_EXHAUSTED' } });
    unwrap(await profile(3));
    expect(laboratory.found('one').status.policy?.weight).toBe(3);
  });
});

describe('a plan', () => {
  it('tells whether a session would fit, and where, and changes nothing', async () => {
    await laboratory.dpus('dpu-a');
    await laboratory.neighbours.putDpu('dpu-b', { megabytesPerSecond: 2_000 });
    await laboratory.neighbours.putDpu('dpu-c', { engines: ['ENCRYPT AES_256_GCM'] });
    await laboratory.quiet();
    const plan = (programs: object) =>
      laboratory.request(
        'plan',
        'AccelerationSession',
        laboratory.manifest('AccelerationSession', 's', { programs, tokenSha256: TOKEN_SHA256 }),
      );
    const { placement, documents } = unwrap(await plan(COMPRESS));
    expect(placement).toMatchObject({
      fits: true,
      dpu: 'dpu-b',
      places: [{ dpu: 'dpu-b', expectedMegabytesPerSecond: 2_000 }, { dpu: 'dpu-a' }],
      refusals: [{ dpu: 'dpu-c', reason: 'Unsupported', message: 'dpu-c has no engine for COMPRESS ZSTD' }],
    });
    expect(documents).toMatchObject([{ dpu: 'dpu-b' }]);
    expect(unwrap(await plan(encryptWith('none'))).placement).toMatchObject({ dpu: '' });
    expect(await laboratory.request('get', 'AccelerationSession', { name: 's' })).toMatchObject({
      error: { code: 'NOT_FOUND' },
    });
    expect(laboratory.objects('dpu-a')).toEqual([]);
    await laboratory.session('s');
    expect(laboratory.where('s')).toMatch(/^dpu-b 1 /);
  });

  it('leaves what is known of the workers as it is', async () => {
    await laboratory.dpus('dpu-a');
    await laboratory.session('served');
    const worker = laboratory.workers.get('dpu-a');
    if (worker) worker.isReporting = false;
    await laboratory.session('applying');
    const planned = async (name: string, weight: number) =>
      unwrap(
        await laboratory.request(
          'plan',
          'AccelerationSession',
          laboratory.manifest('AccelerationSession', name, {
            programs: COMPRESS,
            tokenSha256: TOKEN_SHA256,
            policy: { weight },
          }),
        ),
      );
    await planned('served', 9);
    await planned('applying', 9);
    // Everything is looked at again.
    await laboratory.neighbours.putDpu('dpu-a', { megabytesPerSecond: 2_000 });
    await laboratory.quiet();
    expect(laboratory.where('served')).toBe('dpu-a 1 Placed Serving');
    expect(laboratory.where('applying')).toBe('dpu-a 1 Placed Applying');
  });
});
