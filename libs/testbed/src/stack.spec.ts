import { readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Stack, type StackOptions } from './stack.js';
import { Testbed } from './testbed.js';
import { specification } from './testing.js';

const SERVICE = join(import.meta.dirname, '../test/service.mjs');

const options: StackOptions = {
  nats: {
    configuration: ({ host, port, storeDirectory }) =>
      `listen: "${host}:${port}"\njetstream { store_dir: ${JSON.stringify(storeDirectory)} }\n`,
    seed: ({ service, dpu }) => (service === 'admin' ? undefined : `seed of ${service} ${dpu ?? ''}`),
  },
  services: { admin: SERVICE, 'network-intent': SERVICE },
  worker: SERVICE,
  placement: { 'network-intent': 'dpu-2' },
  resyncSeconds: 0,
  leaseMilliseconds: 900,
};

let testbed: Testbed;

beforeEach(async () => {
  testbed = await Testbed.create(specification(2, 1));
});
afterEach(() => testbed.dispose());

const file = (program: string, name: string): string => join(testbed.directory, program, 'data', name);
const told = (program: string): unknown => JSON.parse(readFileSync(file(program, 'told.json'), 'utf8'));
const starts = (program: string): number => statSync(file(program, 'starts')).size;

/** The first bytes that whoever listens there sends. */
const greeting = (url: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.once('data', (bytes: Buffer) => {
      socket.destroy();
      resolve(bytes.toString());
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without a word')));
  });

describe('a stack', () => {
  it('starts a bus, services and a worker on every DPU, each told what it needs', async () => {
    const stack = await Stack.start(testbed, options);
    expect(stack.names).toEqual([
      'nats',
      'admin',
      'network-intent',
      'dataplane-worker/dpu-1',
      'dataplane-worker/dpu-2',
    ]);
    expect(told('admin')).toEqual({
      greeting: 'INFO',
      variables: {
        OUTBOARD_TESTBED: testbed.name,
        OUTBOARD_NATS_URL: 'nats://10.255.0.254:4222',
        OUTBOARD_DATA_DIRECTORY: join(testbed.directory, 'admin/data'),
        OUTBOARD_STORE_DURABILITY: 'NORMAL',
        OUTBOARD_LOG_LEVEL: 'info',
        OUTBOARD_LEASE_MILLISECONDS: '900',
        OUTBOARD_SESSION_LEASE_MILLISECONDS: '900',
      },
    });
    expect(told('dataplane-worker-dpu-2')).toMatchObject({
      seed: 'seed of dataplane-worker dpu-2',
      variables: {
        OUTBOARD_DPU_NAME: 'dpu-2',
        OUTBOARD_DPU_SERIAL_NUMBER: 'MT2113X00002',
        OUTBOARD_DPU_HOST: 'host-dpu-2',
        OUTBOARD_DPU_PF_MAC_ADDRESS: '08:c0:eb:00:00:02',
        OUTBOARD_UNDERLAY_DEVICE: 'up0',
        OUTBOARD_RESYNC_SECONDS: '0',
      },
    });
    const seedFile = join(testbed.directory, 'network-intent/nats.seed');
    expect(statSync(seedFile).mode & 0o777).toBe(0o600);
  });

  it('runs each program where it is placed', async () => {
    const stack = await Stack.start(testbed, options);
    const placeOf = (name: string): number => statSync(`/proc/${stack.program(name).pid}/ns/net`).ino;
    expect(placeOf('admin')).toBe(testbed.control.namespace.inode);
    expect(placeOf('nats')).toBe(testbed.control.namespace.inode);
    expect(placeOf('network-intent')).toBe(testbed.dpu('dpu-2').namespace.inode);
    expect(placeOf('dataplane-worker/dpu-1')).toBe(testbed.dpu('dpu-1').namespace.inode);
  });

  it('kills and restarts a program on its old data, and leaves the others alone', async () => {
    const stack = await Stack.start(testbed, options);
    const admin = stack.program('admin').pid;
    await stack.kill('network-intent');
    expect(stack.program('network-intent').isRunning).toBe(false);
    await expect(stack.kill('network-intent')).rejects.toThrow('network-intent is not running');
    await stack.restart('network-intent');
    expect(starts('network-intent')).toBe(2);
    expect(stack.program('admin').pid).toBe(admin);
    expect(starts('admin')).toBe(1);
  });

  it('lets clients outside reach the bus, also after it was restarted on its store', async () => {
    const stack = await Stack.start(testbed, options);
    expect(await greeting(stack.clientUrl)).toMatch(/^INFO .*"jetstream":true/);
    await stack.kill('nats');
    await expect(greeting(stack.clientUrl)).rejects.toThrow('closed without a word');
    await stack.restartNats();
    expect(await greeting(stack.clientUrl)).toMatch(/^INFO /);
  });

  it('tells what each program uses', async () => {
    const stack = await Stack.start(testbed, options);
    await stack.kill('admin');
    const usage = stack.usage();
    expect([...usage.keys()]).toEqual(stack.names.filter((name) => name !== 'admin'));
    for (const { residentBytes } of usage.values()) expect(residentBytes).toBeGreaterThan(4 << 20);
  });

  it('that cannot start whole does not run at all, and says which program failed and why', async () => {
    const failing = Stack.start(testbed, { ...options, environment: { FAIL: 'yes' } });
    await expect(failing).rejects.toThrow(/ended at start \(status 1\).*the service fails/s);
    const running = [...testbed.programs].filter((program) => program.isRunning);
    expect(running.map(({ name }) => name).filter((name) => !name.startsWith('machine/'))).toEqual([]);
  });

  it('refuses a placement that makes no sense', async () => {
    await expect(Stack.start(testbed, { ...options, placement: { web: 'dpu-1' } })).rejects.toMatchObject({
      violations: [{ field: 'placement.web', description: 'must be one of the services' }],
    });
    await expect(Stack.start(testbed, { ...options, placement: { admin: 'dpu-9' } })).rejects.toThrow(
      'there is no DPU dpu-9',
    );
  });
});
