/**
 * What the CNI plugin costs a pod: ADD and DEL through `npm start`'s processes and a host agent, beside the kernel's own
 * part of it, and beside Debian's Go plugins `bridge` with `host-local` (containernetworking-plugins), in the same run.
 * Plugins are started by a native program in the host, as runtimes are.
 * `npm run bench -- cni [--json] [--quick]`.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LocalStack } from '@outboard/local-stack';
import { namespacePrefix, type Pod, waitUntil } from '@outboard/testbed';
import { CniRuntime, containerIdOf } from '../cni/cni-runtime.js';
import { buildPlugin } from '../cni/plugin.js';
import { NativeRuntime } from './cni/native-runtime.js';
import { BareAttach } from './intent/bare-attach.js';
import { median, note, quantile, report, timed } from './report.js';
import { sized } from './sizes.js';

const BENCH = 'cni';
const GO_PLUGINS = '/usr/lib/cni';
const PODS = sized(100, 4);
const ROUNDS = sized(60, 2);
const WARM_UP = sized(10, 1);
/** How often all pods come and go before anything is measured. */
const WARM_UP_LIVES = sized(4, 1);
const DPU = { name: 'dpu-a', serialNumber: 'OB-SIM-0001', pfMacAddress: '02:0b:00:00:01:00', functions: 256 };
const HOST = 'host-dpu-a';

const name = `cni${process.pid.toString(36)}`;
const stack = await LocalStack.start({ name, agents: true, dpus: [DPU], logLevel: 'warn' });
const directory = mkdtempSync(join(stack.testbed.directory, 'cni-'));
const runtime = NativeRuntime.start(directory, stack.testbed.host(HOST).namespace);
const bare = await BareAttach.open(`${namespacePrefix(name)}bare-`, ROUNDS + WARM_UP);
try {
  const acme = await stack.workspace('acme');
  await acme.apply(
    { kind: 'Network', metadata: { name: 'blue' }, spec: {} },
    { kind: 'Subnet', metadata: { name: 'blue-v4' }, spec: { network: 'blue', cidr: '10.0.0.0/16' } },
  );
  const outboard = new CniRuntime({
    plugin: buildPlugin(directory),
    socket: stack.stack.agentSocket(HOST),
    configuration: { network: 'blue', tenant: 'acme' },
    start: runtime.run,
  });
  const pods: Pod[] = [];
  for (let number = 0; number < PODS; number++) {
    pods.push(await stack.testbed.createPod({ name: `p${number}`, host: HOST }));
  }
  await waitUntil('pods can be added', async () => {
    const { exitCode, stdout } = await outboard.status();
    return exitCode === 0 ? undefined : stdout;
  });
  await warmUp(outboard, pods);
  await oneByOne(outboard, pods);
  await atOnce(outboard, pods);
} finally {
  bare[Symbol.dispose]();
  await runtime[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
  await stack[Symbol.asyncDispose]();
}

/** What is done for every pod in the life of a node is compiled by then; Go's plugins are from the start. */
async function warmUp(outboard: CniRuntime, pods: readonly Pod[]): Promise<void> {
  for (let life = 0; life < WARM_UP_LIVES; life++) {
    for (const pod of pods) {
      await call(outboard, 'ADD', pod);
      await call(outboard, 'DEL', pod);
    }
  }
}

/** One pod after the other, contenders in turn; first they all come, then they all go. */
async function oneByOne(outboard: CniRuntime, pods: readonly Pod[]): Promise<void> {
  const hasGo = existsSync(join(GO_PLUGINS, 'bridge'));
  const times = { add: [] as number[], bare: [] as number[], goAdd: [] as number[], start: [] as number[] };
  const gone = { delete: [] as number[], goDelete: [] as number[] };
  const timedPods = pods.slice(0, ROUNDS + WARM_UP);
  for (const [round, pod] of timedPods.entries()) {
    const kernel = (await bare.give(round, pod.namespace)) + (await bare.attach(round));
    const start = await startNothing();
    const add = await call(outboard, 'ADD', pod);
    const goAdd = hasGo ? await goPlugin('ADD', pod) : 0;
    if (round < WARM_UP) continue;
    times.bare.push(kernel);
    times.start.push(start);
    times.add.push(add);
    times.goAdd.push(goAdd);
  }
  for (const pod of timedPods) {
    gone.delete.push(await call(outboard, 'DEL', pod));
    if (hasGo) gone.goDelete.push(await goPlugin('DEL', pod));
  }
  const added = median(times.add);
  const kernel = median(times.bare);
  row("ADD p50, against the kernel's part alone (10 ms more allowed)", added, 'ms', kernel, {
    bar: `value <= ${(kernel + 10).toFixed(1)} ms`,
    ok: added <= kernel + 10,
  });
  row('of it the start of a program that does nothing, p50', median(times.start), 'ms', null);
  row('ADD p99', quantile(times.add, 0.99), 'ms', quantile(times.bare, 0.99));
  if (hasGo) {
    row("ADD p50, against Debian's bridge with host-local", added, 'ms', median(times.goAdd));
    row("DEL p50, against Debian's bridge with host-local", median(gone.delete), 'ms', median(gone.goDelete));
  } else
    note(
      `without ${GO_PLUGINS}/bridge there is nothing to compare with: apt-get install containernetworking-plugins`,
    );
}

/** As many as a node may have, at the same time. */
async function atOnce(outboard: CniRuntime, pods: readonly Pod[]): Promise<void> {
  for (const command of ['ADD', 'DEL'] as const) {
    const what = `${command} of ${PODS} pods at once`;
    const ours = await burst(pods, (pod) => call(outboard, command, pod));
    const theirs = existsSync(join(GO_PLUGINS, 'bridge'))
      ? await burst(pods, (pod) => goPlugin(command, pod))
      : undefined;
    row(`${what}: pods a second`, ours.rate, '1/s', theirs?.rate ?? null, { better: 'more' });
    row(`${what}: p99`, ours.p99, 'ms', theirs?.p99 ?? null);
    row(`${what}: processor time on the host`, ours.hostCpu, 'ms/pod', theirs?.hostCpu ?? null);
    row(`${what}: processor time with bus, services and worker`, ours.allCpu, 'ms/pod', null);
    if (command === 'ADD') row(`agent with ${PODS} pods: resident memory`, agentMemory(), 'MiB', null);
  }
}

interface Burst {
  readonly rate: number;
  readonly p99: number;
  /** The runtime, its plugins and the agent. */
  readonly hostCpu: number;
  readonly allCpu: number;
}

async function burst(pods: readonly Pod[], action: (pod: Pod) => Promise<number>): Promise<Burst> {
  const before = { plugins: runtime.cpuMilliseconds, agent: agentCpu(), all: stackCpu() };
  const times: number[] = [];
  const elapsed = await timed(() => Promise.all(pods.map(async (pod) => times.push(await action(pod)))));
  const plugins = runtime.cpuMilliseconds - before.plugins;
  return {
    rate: (pods.length / elapsed) * 1_000,
    p99: quantile(times, 0.99),
    hostCpu: (plugins + agentCpu() - before.agent) / pods.length,
    allCpu: (plugins + stackCpu() - before.all) / pods.length,
  };
}

/** Milliseconds of a call that has to succeed. */
async function call(outboard: CniRuntime, command: string, pod: Pod): Promise<number> {
  return (await outboard.succeed(command, pod)).milliseconds;
}

/** Milliseconds of starting a program and waiting for its end. */
async function startNothing(): Promise<number> {
  return (await runtime.run({ path: '/bin/true', environment: {}, stdin: '' })).milliseconds;
}

/** Debian's plugins in the host's network, on the interface `go0` of the pod; milliseconds. */
async function goPlugin(command: string, pod: Pod): Promise<number> {
  const configuration = {
    cniVersion: '1.0.0',
    name: 'go',
    type: 'bridge',
    bridge: 'go0',
    isGateway: true,
    ipam: { type: 'host-local', subnet: '10.99.0.0/16', dataDir: join(directory, 'host-local') },
  };
  const { exitCode, stdout, milliseconds } = await runtime.run({
    path: join(GO_PLUGINS, 'bridge'),
    environment: {
      PATH: process.env.PATH ?? '',
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerIdOf(pod),
      CNI_IFNAME: 'go0',
      CNI_NETNS: `/run/netns/${pod.namespace.name}`,
      CNI_PATH: GO_PLUGINS,
    },
    stdin: JSON.stringify(configuration),
  });
  if (exitCode !== 0) throw new Error(`${command} of bridge failed: ${stdout}`);
  return milliseconds;
}

function stackCpu(): number {
  return [...stack.stack.usage().values()].reduce((sum, { cpuMilliseconds }) => sum + cpuMilliseconds, 0);
}

function agentCpu(): number {
  return stack.stack.usage().get(`host-agent/${HOST}`)?.cpuMilliseconds ?? 0;
}

function agentMemory(): number {
  return (stack.stack.usage().get(`host-agent/${HOST}`)?.residentBytes ?? 0) / 2 ** 20;
}

/** `better: more`: a rate. */
function row(
  metric: string,
  value: number,
  unit: string,
  baseline: number | null,
  {
    bar = null,
    ok = true,
    better = 'less',
  }: { bar?: string | null; ok?: boolean; better?: 'less' | 'more' } = {},
): void {
  const ratio = baseline === null ? null : better === 'less' ? baseline / value : value / baseline;
  report({ bench: BENCH, metric, value, unit, baseline, ratio, bar, ok });
}
