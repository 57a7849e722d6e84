import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NetworkNamespace } from '@outboard/netlink';
import type { AccelerationSessions } from './index.js';
import { WorkloadLab } from './testing/index.js';

let lab: WorkloadLab;

beforeAll(() => {
  lab = new WorkloadLab();
});
afterAll(async () => {
  await lab.close();
});

/** A shell script that ends at once when it is told to. */
const script = (...lines: string[]) => ({
  command: ['/bin/sh', '-c', ['trap "exit 0" TERM', ...lines, 'sleep 1000 & wait'].join('\n')],
});

const nothingIsLeft = (uid: string): void => {
  expect(NetworkNamespace.list(`workload-${uid}`)).toEqual([]);
  expect(existsSync(`${lab.directory}/workloads/${uid}`)).toBe(false);
  expect(existsSync(`${lab.directory}/containers/${uid}`)).toBe(false);
  for (const controller of ['memory', 'cpu', 'pids'])
    expect(existsSync(`/sys/fs/cgroup/${controller}${lab.cgroupParent}/${uid}`)).toBe(false);
};

it('runs a program in namespaces of its own, within its limits, with its files and variables; then nothing is left', async () => {
  const wanted = lab.workload({
    ...script(
      'echo "$SITE $COLOUR $OUTBOARD_TENANT/$OUTBOARD_WORKLOAD $(cat /etc/motto) $(cat /proc/sys/net/ipv4/ip_forward)"',
      'grep memory /proc/self/cgroup; touch /usr/x; echo hello > $OUTBOARD_DIRECTORY/kept; echo end',
    ),
    environment: { COLOUR: 'blue' },
    files: [{ path: '/etc/motto', content: 'outboard', mode: 0o644 }],
    sysctls: { 'net.ipv4.ip_forward': '1' },
  });
  const { uid } = wanted;
  lab.host.want(uid, wanted);
  const summary = await lab.until(uid, ({ ready }) => ready);
  expect(summary).toMatchObject({ state: 'RUNNING', restarts: 0, message: '', lastTermination: undefined });
  expect(summary.isolation).toMatchObject({ limits: ['cpu', 'memory', 'processes'], reason: '' });
  const said = await lab.saidUntil(uid, /^end$/);
  for (const part of [
    'laboratory blue acme/w outboard 1',
    `${lab.cgroupParent}/${uid}`,
    'Read-only file system',
  ])
    expect(said).toContain(part);
  expect(readFileSync(`${lab.directory}/workloads/${uid}/shared/kept`, 'utf8')).toBe('hello\n');
  lab.host.want(uid, undefined);
  await lab.gone(uid);
  nothingIsLeft(uid);
}, 30_000);

it('a program goes on over a restart of what keeps it, and its end is told to who comes next', async () => {
  const wanted = lab.workload(script('echo pid $$'));
  const { uid } = wanted;
  lab.host.want(uid, wanted);
  const before = await lab.until(uid, ({ ready }) => ready);
  await lab.restart();
  lab.host.want(uid, wanted);
  const after = await lab.until(uid, ({ ready }) => ready);
  expect(after).toMatchObject({ state: 'RUNNING', restarts: 0, since: before.since });
  const once = lab.workload({ ...script('exit 5'), restartPolicy: 'NEVER', uid: 'once' });
  lab.host.want('once', once);
  await lab.until('once', ({ state }) => state === 'RUNNING' || state === 'FAILED');
  await lab.restart();
  lab.host.want('once', once);
  const failed = await lab.until('once', ({ state }) => state === 'FAILED');
  expect(failed).toMatchObject({ restarts: 0, lastTermination: { reason: 'ERROR', exitCode: 5 } });
  // Nobody wants them any more.
  await lab.restart();
  await lab.host.prune();
  nothingIsLeft(uid);
  nothingIsLeft('once');
  expect(existsSync(`/sys/fs/cgroup/memory${lab.cgroupParent}`)).toBe(false);
}, 30_000);

it('begins anew where it is wanted again while it is being removed', async () => {
  const wanted = lab.workload(script('echo started'));
  const { uid } = wanted;
  lab.host.want(uid, wanted);
  const before = await lab.until(uid, ({ ready }) => ready);
  lab.host.want(uid, undefined);
  await lab.until(uid, ({ state }) => state === 'STOPPING');
  lab.host.want(uid, wanted);
  const after = await lab.until(uid, ({ ready, since }) => ready && since !== before.since);
  expect(after).toMatchObject({ state: 'RUNNING', restarts: 0 });
  expect(await lab.saidUntil(uid, /^started$/)).toBe('started');
  lab.host.want(uid, undefined);
  await lab.gone(uid);
  nothingIsLeft(uid);
}, 30_000);

it('waits for acceleration sessions, and finds each with a token that it alone has; not so when it is gone', async () => {
  const session = { tenant: 'acme', name: 'sealing' };
  const served = mkdtempSync(join(tmpdir(), 'outboard-session-'));
  writeFileSync(join(served, 'session.json'), 'what it is');
  const admitted = new Map<string, Parameters<AccelerationSessions['admit']>[1]>();
  let directory: string | undefined;
  lab.sessions = {
    directoryOf: (asked) => (isDeepStrictEqual(asked, session) ? directory : undefined),
    admit: async (holder, sessions) => {
      admitted.set(holder, sessions);
    },
  };
  await lab.restart();
  // A line is written at once, and all to one stream: they arrive as they are.
  const says =
    'cd $OUTBOARD_ACCELERATION; echo "$(cat sealing/session.json)"; echo "$(cat sealing.token)"; touch sealing/x 2>&1; echo end';
  const wanted = lab.workload({ ...script(says), accelerationSessions: ['sealing'] });
  const { uid } = wanted;
  lab.host.want(uid, wanted);
  await lab.until(uid, ({ message, state }) => state === 'STARTING' && message.endsWith('DPU: sealing'));
  directory = served;
  const [said = '', token = '', ...rest] = (await lab.saidUntil(uid, /^end$/)).split('\n');
  expect([said, rest.join()]).toEqual(['what it is', expect.stringContaining('Read-only file system')]);
  const tokenDigest = createHash('sha256').update(Buffer.from(token, 'hex')).digest();
  expect([token.length, admitted.get(uid)]).toEqual([64, [{ ...session, tokenDigest }]]);
  // Who serves the session may have been restarted too, and knows it from the file alone.
  admitted.clear();
  await lab.restart();
  lab.host.want(uid, wanted);
  await lab.until(uid, ({ ready, restarts }) => ready && restarts === 0);
  await lab.host.idle();
  expect(admitted.get(uid)).toEqual([{ ...session, tokenDigest }]);
  lab.host.want(uid, undefined);
  await lab.gone(uid);
  expect(admitted.get(uid)).toEqual([]);
  nothingIsLeft(uid);
  rmSync(served, { recursive: true });
}, 30_000);

describe('how a program ends is told, and what becomes of it', () => {
  const ends = async (more: Parameters<typeof lab.workload>[0]) => {
    const wanted = lab.workload({ restartPolicy: 'NEVER', ...more });
    lab.host.want(wanted.uid, wanted);
    const summary = await lab.until(wanted.uid, ({ lastTermination }) => lastTermination !== undefined);
    lab.host.want(wanted.uid, undefined);
    await lab.gone(wanted.uid);
    return summary;
  };

  it('by itself', async () => {
    expect(await ends({ command: ['/bin/true'] })).toMatchObject({
      state: 'SUCCEEDED',
      lastTermination: { reason: 'COMPLETED', exitCode: 0 },
    });
  });

  it('by more memory than it may have', async () => {
    const hungry = [process.execPath, '--eval', 'Buffer.alloc(500 << 20, 1)'];
    const summary = await ends({ command: hungry, memoryMebibytes: 100 });
    expect(summary.lastTermination).toMatchObject({ reason: 'OUT_OF_MEMORY', signal: 'SIGKILL' });
  });

  it('with what it said last', async () => {
    const summary = await ends({ command: ['/bin/sh', '-c', 'echo no rules >&2; exit 2'] });
    expect(summary.lastTermination).toMatchObject({ reason: 'ERROR', exitCode: 2, message: 'no rules' });
  });

  it('before it began', async () => {
    const summary = await ends({ command: ['/no/such/program'] });
    expect(summary).toMatchObject({ state: 'BACKOFF', lastTermination: { reason: 'CANNOT_START' } });
    expect(summary.message).toContain('no such file');
  });
});

describe('who is killed with kill -9 is noticed, and the program started again by its policy', () => {
  const pidIn = (path: string): number => Number(readFileSync(path, 'utf8'));
  const killed = async (pidsOf: (pids: { program: number; monitor: number }) => readonly number[]) => {
    const wanted = lab.workload(script('echo started'));
    const { uid } = wanted;
    lab.host.want(uid, wanted);
    await lab.until(uid, ({ ready }) => ready);
    const program = pidIn(`${lab.directory}/workloads/${uid}/bundle/pid`);
    const monitor = pidIn(`${lab.directory}/facts/${uid}/monitor`);
    for (const pid of pidsOf({ program, monitor })) process.kill(pid, 'SIGKILL');
    const again = await lab.until(uid, ({ restarts, ready }) => restarts === 1 && ready);
    expect(existsSync(`/proc/${program}/root/proc`)).toBe(false);
    lab.host.want(uid, undefined);
    await lab.gone(uid);
    nothingIsLeft(uid);
    return again.lastTermination;
  };

  it('the program', async () => {
    const termination = await killed(({ program }) => [program]);
    expect(termination).toMatchObject({ reason: 'SIGNALLED', signal: 'SIGKILL' });
  });

  it('its monitor with it', async () => {
    const termination = await killed(({ program, monitor }) => [monitor, program]);
    expect(termination).toMatchObject({ reason: 'UNKNOWN', message: expect.stringContaining('monitor') });
  });

  it('its monitor alone: what it says would be lost, and how it ends', async () => {
    const termination = await killed(({ monitor }) => [monitor]);
    expect(termination).toMatchObject({ reason: 'UNKNOWN', message: expect.stringContaining('monitor') });
  });
});
