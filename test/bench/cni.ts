/**
 * What the CNI plugin costs a pod: ADD and DEL through `npm start`'s processes and a host agent, beside the kernel's own
 * part of it, and beside Debian's Go plugins `bridge` with `host-local` (containernetworking-plugins), in the same run.
 * `npm run bench -- cni [--json]`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LocalStack } from '@outboard/local-stack';
import { type Pod, waitUntil } from '@outboard/testbed';
import { CniRuntime, containerIdOf } from '../cni/cni-runtime.js';
import { buildPlugin } from '../cni/plugin.js';
import { BareAttach } from './intent/bare-attach.js';
import { median, note, quantile, report, timed } from './report.js';

const BENCH = 'cni';
const GO_PLUGINS = '/usr/lib/cni';
const PODS = 100;
const ROUNDS = 60;
const WARM_UP = 10;
const DPU = { name: 'dpu-a', serialNumber: 'OB-SIM-0001', pfMacAddress: '02:0b:00:00:01:00', functions: 256 };
const HOST = 'host-dpu-a';
/** USER_HZ (proc(5)). */
const MILLISECONDS_PER_TICK = 10;

const stack = await LocalStack.start({ name: 'bench-cni', agents: true, dpus: [DPU], logLevel: 'warn' });
const directory = mkdtempSync(join(stack.testbed.directory, 'cni-'));
const bare = await BareAttach.open('ob-bench-cni.bare-', ROUNDS + WARM_UP);
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
  });
  const pods: Pod[] = [];
  for (let number = 0; number < PODS; number++) {
    pods.push(await stack.testbed.createPod({ name: `p${number}`, host: HOST }));
  }
  await waitUntil('pods can be added', async () => {
    const { exitCode, stdout } = await outboard.status();
    return exitCode === 0 ? undefined : stdout;
  });
  await oneByOne(outboard, pods);
  await atOnce(outboard, pods);
} finally {
  bare[Symbol.dispose]();
  rmSync(directory, { recursive: true });
  await stack[Symbol.asyncDispose]();
}

/** One pod after the other, contenders in turn; first they all come, then they all go. */
async function oneByOne(outboard: CniRuntime, pods: readonly Pod[]): Promise<void> {
  const hasGo = existsSync(join(GO_PLUGINS, 'bridge'));
  const times = { add: [] as number[], bare: [] as number[], goAdd: [] as number[], start: [] as number[] };
  const gone = { delete: [] as number[], goDelete: [] as number[] };
  const timedPods = pods.slice(0, ROUNDS + WARM_UP);
  for (const [round, pod] of timedPods.entries()) {
    const kernel = (await bare.give(round, pod.namespace)) + (await bare.attach(round));
    const start = await timed(startNothing);
    const add = await timed(() => outboard.add(pod));
    const goAdd = hasGo ? await timed(() => goPlugin('ADD', pod)) : 0;
    if (round < WARM_UP) continue;
    times.bare.push(kernel);
    times.start.push(start);
    times.add.push(add);
    times.goAdd.push(goAdd);
  }
  for (const pod of timedPods) {
    gone.delete.push(await timed(() => outboard.delete(pod)));
    if (hasGo) gone.goDelete.push(await timed(() => goPlugin('DEL', pod)));
  }
  const added = median(times.add);
  const kernel = median(times.bare);
  row("ADD p50, against the kernel's part alone (10 ms more allowed)", added, 'ms', kernel, {
    bar: `value <= ${(kernel + 10).toFixed(1)} ms`,
    ok: added <= kernel + 10,
  });
  row('of it the start of a program that does nothing, from here, p50', median(times.start), 'ms', null);
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
  const contenders = {
    'ADD of 100 pods at once': (pod: Pod) => outboard.add(pod),
    'DEL of 100 pods at once': (pod: Pod) => outboard.delete(pod),
  };
  const go = { 'ADD of 100 pods at once': 'ADD', 'DEL of 100 pods at once': 'DEL' };
  for (const [what, action] of Object.entries(contenders)) {
    const ours = await burst(pods, action);
    const theirs = existsSync(join(GO_PLUGINS, 'bridge'))
      ? await burst(pods, (pod) => goPlugin(go[what as keyof typeof go], pod))
      : undefined;
    row(`${what}: pods a second`, ours.rate, '1/s', theirs?.rate ?? null, { better: 'more' });
    row(`${what}: p99`, ours.p99, 'ms', theirs?.p99 ?? null);
    row(`${what}: processor time on the host`, ours.hostCpu, 'ms/pod', theirs?.hostCpu ?? null);
    row(`${what}: processor time with bus, services and worker`, ours.allCpu, 'ms/pod', null);
    if (action === contenders['ADD of 100 pods at once'])
      row('agent with 100 pods: resident memory', agentMemory(), 'MiB', null);
  }
}

interface Burst {
  readonly rate: number;
  readonly p99: number;
  /** Plugins and agent. */
  readonly hostCpu: number;
  readonly allCpu: number;
}

async function burst(pods: readonly Pod[], action: (pod: Pod) => Promise<unknown>): Promise<Burst> {
  const before = { children: childrenCpu(), agent: agentCpu(), all: stackCpu() };
  const times: number[] = [];
  const elapsed = await timed(() =>
    Promise.all(pods.map(async (pod) => times.push(await timed(() => action(pod))))),
  );
  const children = childrenCpu() - before.children;
  return {
    rate: (pods.length / elapsed) * 1_000,
    p99: quantile(times, 0.99),
    hostCpu: (children + agentCpu() - before.agent) / pods.length,
    allCpu: (children + stackCpu() - before.all) / pods.length,
  };
}

/** What starting a plugin costs whoever starts one by Node, as this benchmark does; runtimes need a millisecond. */
const startNothing = (): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn('/bin/true', [], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.once('error', reject).once('close', () => resolve());
  });

/** Debian's plugins in the host's network, on the interface `go0` of the pod. */
function goPlugin(command: string, pod: Pod): Promise<void> {
  const configuration = {
    cniVersion: '1.0.0',
    name: 'go',
    type: 'bridge',
    bridge: 'go0',
    isGateway: true,
    ipam: { type: 'host-local', subnet: '10.99.0.0/16', dataDir: join(directory, 'host-local') },
  };
  return new Promise((resolve, reject) => {
    const child: ChildProcess = pod.host.namespace.run(() =>
      spawn(join(GO_PLUGINS, 'bridge'), [], {
        env: {
          PATH: process.env.PATH ?? '',
          CNI_COMMAND: command,
          CNI_CONTAINERID: containerIdOf(pod),
          CNI_IFNAME: 'go0',
          CNI_NETNS: `/run/netns/${pod.namespace.name}`,
          CNI_PATH: GO_PLUGINS,
        },
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    );
    let stdout = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} of bridge failed: ${stdout}`)),
    );
    child.stdin?.end(JSON.stringify(configuration));
  });
}

/** Of processes that this one has started and waited for, milliseconds: cutime and cstime of proc(5). */
function childrenCpu(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * MILLISECONDS_PER_TICK;
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
