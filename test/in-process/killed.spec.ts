import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Installation } from '@outboard/all-in-one';
import { subjects } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';

const DPU = {
  name: 'dpu-1',
  serialNumber: 'SN-1',
  pfMacAddress: '08:c0:eb:00:00:01',
  functions: 2,
  underlayAddress: '10.255.0.1',
};
const PARTS = ['admin', 'network-intent', 'acceleration-broker', 'dpu-1'];
/** Longer than any part waits between two looks: a lease, a heartbeat, a full comparison. */
const LONG_MILLISECONDS = 120_000;

describe('a part of an installation that is killed', () => {
  let clock: ManualClock;
  let directory: string;
  let installation: Installation;

  /** Lets time pass until it has come true. Files take real time, so that the clock must not run away from them. */
  async function until(look: () => boolean): Promise<void> {
    for (let step = 0; step < 3_000; step++) {
      if (look()) return;
      await setTimeout(1);
      await clock.advance(20);
    }
    throw new Error(`it did not come true: ${look}`);
  }
  const publish = async (kind: string, name: string, spec: object): Promise<void> => {
    const manifest = {
      apiVersion: 'network.outboard.dev/v1alpha1',
      kind,
      metadata: { tenant: 'acme', name },
      spec,
    };
    const subject = subjects.intent({ tenant: 'acme', api: 'network', kind: kind.toLowerCase(), name });
    const message = { headers: {}, body: Buffer.from(JSON.stringify(manifest)) };
    const bus = installation.connect();
    unwrap(await bus.publish(subject, message, { messageId: `${kind}-${name}` }));
    await bus[Symbol.asyncDispose]();
  };
  /** What frames of the port are let in by. */
  const entrance = () => installation.vswitch('dpu-1').get('flow/0/10/in_port=pf0vf0');

  beforeEach(async () => {
    clock = new ManualClock();
    directory = mkdtempSync(join(tmpdir(), 'outboard-killed-'));
    installation = await Installation.start({ clock, directory });
    await installation.addDpu(DPU);
    await publish('Network', 'blue', {});
    await publish('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.1.0/24' });
    const { serialNumber, pfMacAddress } = DPU;
    await publish('Port', 'web', {
      network: 'blue',
      function: { serialNumber, pfMacAddress, vfNumber: 0 },
    });
    await until(() => entrance() !== undefined);
  });
  afterEach(async () => {
    for (const part of PARTS) installation.kill(part);
    await installation[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  it('leaves nothing on the clock', async () => {
    expect(clock.nextAlarmIn).toBeDefined();
    for (const part of PARTS) installation.kill(part);
    await clock.advance(LONG_MILLISECONDS);
    expect(clock.nextAlarmIn).toBeUndefined();
  });

  it('does nothing to its switch any more, until it is started again', async () => {
    installation.kill('dpu-1');
    installation.vswitch('dpu-1').remove('flow/0/10/in_port=pf0vf0');
    await clock.advance(LONG_MILLISECONDS);
    expect(entrance()).toBeUndefined();
    await installation.startWorker('dpu-1');
    await until(() => entrance() !== undefined);
  });

  it("that dies while it starts does not run, and takes no other one's place", async () => {
    await installation.stop('admin');
    const starting = installation.startAdmin();
    installation.kill('admin');
    await expect(starting).rejects.toThrow('admin has died while it started');
    expect(installation.isRunning('admin')).toBe(false);
    await installation.startAdmin();
    expect(installation.isRunning('admin')).toBe(true);
  });
});
