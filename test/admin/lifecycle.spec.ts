import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { subjects } from '@outboard/contracts';
import { LocalStack, type Workspace } from '@outboard/local-stack';
import { findCondition } from '@outboard/model';
import { type Pod, UdpFlow, waitConnected, waitReachable, waitUntil } from '@outboard/testbed';
import { BLUE, port } from '../scenarios/manifests.js';
import { DpuFleet } from './dpu-fleet.js';

const LEASE_MILLISECONDS = 1_500;
/** With an address of its own, so that nobody has to learn another one when the port is made anew. */
const DB = port('db', 'dpu-b', 0, { macAddress: '02:00:5e:00:10:05' });

describe('DPUs that are approved by hand', () => {
  let directory: string;
  let stack: LocalStack;
  let fleet: DpuFleet;
  let acme: Workspace;
  let web: Pod;
  let db: Pod;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'outboard-lifecycle-'));
    const rebootCommand = join(directory, 'reboot');
    writeFileSync(rebootCommand, `#!/bin/sh\ntouch ${directory}/$OUTBOARD_DPU_NAME\n`, { mode: 0o755 });
    stack = await LocalStack.start({
      name: 'lifecycle',
      leaseMilliseconds: LEASE_MILLISECONDS,
      environment: { OUTBOARD_DPU_APPROVAL: 'MANUAL', OUTBOARD_REBOOT_COMMAND: rebootCommand },
    });
    fleet = await DpuFleet.open(stack);
    acme = await stack.workspace('acme');
  }, 60_000);

  afterAll(async () => {
    await fleet?.[Symbol.asyncDispose]();
    await stack?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }, 30_000);

  const planned = (name: string): string | undefined => {
    const conditions = acme.port(name)?.status.conditions ?? [];
    return findCondition(conditions, 'Planned')?.reason;
  };
  const untilPlanned = (name: string, reason: string) =>
    acme.state.until(`${name} is ${reason}`, () => planned(name) === reason, 20_000);
  const killAdmin = async (): Promise<void> => {
    await stack.stack.kill('admin');
    await stack.stack.restart('admin');
  };

  it('get nothing before that', async () => {
    for (const dpu of ['dpu-a', 'dpu-b']) await fleet.untilState(dpu, 'DISCOVERED');
    await acme.apply(...BLUE, port('web', 'dpu-a', 0), DB);
    await untilPlanned('web', 'FunctionUnknown');
    const { status } = fleet.dpu('dpu-a');
    expect(status.lifecycle).toMatchObject({ reason: 'AwaitingApproval', stuck: false });
    expect(findCondition(status.conditions, 'Ready')?.reason).toBe('NotAdmitted');
    expect((await stack.endpoints('dpu-a')).size).toBe(0);
  }, 30_000);

  it('carry traffic after it, though admin is killed in between', async () => {
    await Promise.all(['dpu-a', 'dpu-b'].map((dpu) => fleet.want(dpu, { approved: true })));
    await killAdmin();
    for (const dpu of ['dpu-a', 'dpu-b']) await fleet.untilState(dpu, 'READY');
    [web, db] = [await acme.connectPod('web'), await acme.connectPod('db')];
    await waitConnected([web, db]);
  }, 60_000);

  it('are drained: what is there works until it leaves, nothing new comes, and a killed admin goes on', async () => {
    const flow = UdpFlow.start({ from: web, to: db });
    await fleet.want('dpu-b', { lifecycle: { desired: 'MAINTENANCE' } });
    await fleet.untilState('dpu-b', 'DRAINING');
    expect(fleet.dpu('dpu-b').status.lifecycle).toMatchObject({
      remaining: 1,
      remainingNames: ['port acme/db'],
      message: '1 to leave: port acme/db',
    });
    await killAdmin();
    await acme.apply(port('late', 'dpu-b', 1));
    await untilPlanned('late', 'DpuUnschedulable');
    expect(await flow.stop()).toMatchObject({ lost: 0, receiverDrops: 0 });
    await acme.delete('Port', 'late');
    await acme.delete('Port', 'db');
    await fleet.untilState('dpu-b', 'MAINTENANCE');
    await waitUntil('nothing is left on it', async () => {
      const { size } = await stack.endpoints('dpu-b');
      return size === 0 ? undefined : `${size} endpoints are`;
    });
  }, 60_000);

  it('reboot when that is asked for, once, and are in maintenance again', async () => {
    await acme.apply(DB);
    await untilPlanned('db', 'DpuUnschedulable');
    const former = fleet.dpu('dpu-b').status.incarnation;
    await fleet.want('dpu-b', { lifecycle: { desired: 'MAINTENANCE', rebootRequest: 'one' } });
    await fleet.untilState('dpu-b', 'REBOOTING');
    const asked = join(directory, 'dpu-b');
    await waitUntil('its worker reboots it', async () => (existsSync(asked) ? undefined : 'it does not'));
    rmSync(asked);
    await killAdmin();
    await stack.testbed.rebootDpu('dpu-b');
    await fleet.until('dpu-b has rebooted', () => fleet.dpu('dpu-b').status.incarnation !== former);
    await acme.delete('Port', 'db');
    await fleet.untilState('dpu-b', 'MAINTENANCE');
    expect([existsSync(asked), existsSync(join(directory, 'dpu-a'))]).toEqual([false, false]);
  }, 60_000);

  it('are used again after it, as if nothing had been', async () => {
    await stack.testbed.removePod(db.name);
    await acme.apply(DB);
    await fleet.want('dpu-b', { lifecycle: { rebootRequest: 'one' } });
    await fleet.untilState('dpu-b', 'READY');
    db = await acme.connectPod('db');
    await waitConnected([web, db]);
  }, 60_000);

  it('have all that they had after a reboot that nobody asked for', async () => {
    await stack.testbed.rebootDpu('dpu-b');
    await fleet.untilState('dpu-b', 'PROVISIONING');
    await fleet.untilState('dpu-b', 'READY');
    await waitReachable(web, db.addresses[0] ?? '', { deadlineMilliseconds: 15_000 });
  }, 60_000);

  it('are told by their names when they are dead, at once, and can be retired without them', async () => {
    await stack.stack.kill('dataplane-worker/dpu-b');
    await fleet.untilState('dpu-b', 'UNREACHABLE');
    const operator = await stack.operator();
    const asked = await operator.request(
      subjects.rpc('_', 'network', 'layer1', 'list'),
      { headers: {}, body: Buffer.from(JSON.stringify({ dpu: 'dpu-b' })) },
      { deadlineMilliseconds: 5_000 },
    );
    expect(asked).toMatchObject({ error: { code: 'UNAVAILABLE', metadata: { dpu: 'dpu-b' } } });
    await fleet.want('dpu-b', { lifecycle: { desired: 'RETIRED' } });
    await fleet.untilState('dpu-b', 'DRAINING');
    await acme.delete('Port', 'db');
    await fleet.untilState('dpu-b', 'RETIRED');
    // What is left on it goes when its worker hears that nobody knows it any more.
    await stack.stack.restart('dataplane-worker/dpu-b');
    await waitUntil('nothing is left on it', async () => {
      const { size } = await stack.endpoints('dpu-b');
      return size === 0 ? undefined : `${size} endpoints are`;
    });
    expect(fleet.dpu('dpu-b').status.lifecycle?.state).toBe('RETIRED');
  }, 60_000);
});
