/**
 * The real services over a real nats-server with fleets of simulated DPUs, each with the worker as it is: how long a fleet
 * needs to be ready, what a change costs when a network spans it, the most churn of pods and policies that is applied in
 * time, a tenth that reboots at once.
 */
import { parseArgs } from 'node:util';
import { SUBJECT_PREFIX } from '@outboard/contracts';
import { systemClock } from '@outboard/core';
import {
  Churn,
  type ChurnStep,
  hasApplied,
  isEverywhere,
  LASTING_LABELS,
  onFunction,
  type Reach,
} from '@outboard/fleet-simulator';
import { isReady } from '@outboard/model';
import {
  type CpuTimes,
  cpuSince,
  FleetSystem,
  type FleetSystemOptions,
  TENANT,
} from './fleet/fleet-system.js';
import { largeNetwork } from './fleet/large-network.js';
import { BAR_MILLISECONDS, Meter, since } from './fleet/meter.js';
import { note, quantile } from './report.js';
import { isQuick, sized } from './sizes.js';

const PARTS = ['idle', 'churn', 'reboot', 'policy', 'wide', 'churn-on-all', 'large'] as const;
type Part = (typeof PARTS)[number];
const USAGE = `usage: npm run bench -- fleet [--dpus 10,100,1000] [--functions 32] [--processes 1] [--parts ${PARTS}] [--ports 1] [--full 4] [--profiles DIRECTORY] [--json] [--quick]`;

const HEARTBEAT_SECONDS = sized(10, 1);
/**
 * Objects of other DPUs' ports that may be on their way to switches at a time, when a network is made: about a second's work
 * of the one process that all workers are in. With more its turns take longer than workers wait for answers.
 */
const WIDE_OBJECTS_AT_ONCE = 5_000;
const STEP_SECONDS = sized(6, 1);
/** Changes a second of the first step, by whom they concern; the next asks for so many times as many, until the bar is missed. */
const FIRST_RATE = { ten: 20, all: sized(1, 20) };
const FASTER = 1.6;

/** A stretch of churn, with the processor time that it took and its p99 in milliseconds, of pods or policies, whichever is worse. */
interface Measured {
  readonly step: ChurnStep & { readonly deltas: number };
  readonly cpu: CpuTimes;
  readonly p99: number;
}

/** What runs for one size of fleet. */
class Trial {
  readonly #churns = new Map<Reach, Promise<Churn>>();

  constructor(
    private readonly system: FleetSystem,
    private readonly meter: Meter,
    private readonly parts: ReadonlySet<string>,
    /** Of the network over all, on each DPU. */
    private readonly ports: number,
  ) {}

  get #dpus(): number {
    return this.system.options.dpus;
  }

  async run(): Promise<void> {
    await this.#bootStorm();
    if (this.parts.has('idle')) await this.#idle();
    if (this.parts.has('churn')) await this.#churn('ten');
    if (this.parts.has('reboot')) await this.#reboot();
    if (this.parts.has('policy')) await this.#policyOfAll();
    if (this.parts.has('wide')) await this.#wideNetwork();
    if (this.parts.has('churn-on-all')) await this.#churn('all');
    this.meter.tellMemory();
  }

  async #bootStorm(): Promise<void> {
    this.meter.progress('boot storm');
    const { system } = this;
    const before = system.cpu();
    const started = performance.now();
    await system.startWorkers();
    await system.state.untilReadyDpus((ready) => ready === this.#dpus);
    this.meter.tell('boot storm: from the start of the first until all are ready', since(started), 's');
    this.meter.tellCpu('boot storm', before);
  }

  async #idle(): Promise<void> {
    this.meter.progress('heartbeats');
    // What the boot storm has left behind is done first.
    await systemClock.delay(HEARTBEAT_SECONDS * 500);
    const heartbeats = await this.meter.counted(`${SUBJECT_PREFIX}.dpu.*.heartbeat.*`);
    const before = this.system.cpu();
    const started = performance.now();
    await systemClock.delay(HEARTBEAT_SECONDS * 1_000);
    const seconds = since(started);
    const { messages } = await heartbeats.end();
    this.meter.tell('heartbeats', messages / seconds, '/s');
    for (const [name, milliseconds] of Object.entries(cpuSince(before, this.system.cpu())))
      this.meter.tell(`idle: processor of ${name}`, milliseconds / seconds / 10, '% of a core');
  }

  /** A policy of a port on each DPU: its address set changes again and again, until the last DPU has applied it. */
  async #policyOfAll(): Promise<void> {
    await this.#prepared('ten');
    const { system } = this;
    await system.client.apply('AddressSet', 'fleet', { addresses: ['198.19.0.0'] });
    await system.client.apply('SecurityPolicy', 'fleet', {
      portSelector: { matchLabels: LASTING_LABELS },
      ingress: [{ name: 'set', peers: [{ addressSet: 'fleet' }] }],
    });
    const everywhere = (generation: number): Promise<void> =>
      system.state.until(
        'AddressSet',
        { tenant: TENANT, name: 'fleet' },
        (set) => hasApplied(generation)(set) && set?.status.propagated?.total === this.#dpus,
      );
    await everywhere(1);
    await this.meter.changes('an address set of a policy on all changed', async (change) => {
      const started = performance.now();
      await everywhere(
        await system.client.apply('AddressSet', 'fleet', { addresses: [`198.19.1.${change}`] }),
      );
      return performance.now() - started;
    });
  }

  #prepared(reach: Reach): Promise<Churn> {
    const churn = new Churn(this.system.client, reach);
    const prepared = this.#churns.get(reach) ?? churn.prepare().then(() => churn);
    this.#churns.set(reach, prepared);
    return prepared;
  }

  /** So many ports on each DPU of a network, then one more again and again: until the last DPU has applied it. */
  async #wideNetwork(): Promise<void> {
    this.meter.progress('a network over all of them');
    const { system } = this;
    await system.client.apply('Network', 'wide', {});
    await system.client.apply('Subnet', 'wide-v4', { network: 'wide', cidr: '10.64.0.0/16' });
    const before = system.cpu();
    const started = performance.now();
    const all = this.#dpus * this.ports;
    let next = 0;
    let everywhere = 0;
    // So many are on their way at a time: each is news to all that take part already.
    const makeNext = async (): Promise<void> => {
      while (next < all) {
        const index = next++;
        const name = `wide-${index}`;
        const [dpu, number] = [1 + (index % this.#dpus), Math.floor(index / this.#dpus)];
        await system.client.apply('Port', name, onFunction('wide', dpu, number));
        await system.state.until('Port', { tenant: TENANT, name }, isEverywhere);
        if (++everywhere % Math.ceil(all / 10) === 0)
          this.meter.progress(`${everywhere} ports are everywhere, ${since(started).toFixed(0)} s`);
      }
    };
    await Promise.all(Array.from({ length: Math.ceil(WIDE_OBJECTS_AT_ONCE / this.#dpus) }, makeNext));
    this.meter.tell(`a network over all, ${this.ports} ports on each, made`, since(started), 's');
    this.meter.tellCpu('a network over all', before);
    this.meter.tell('objects in all switches', await system.objects(), '');
    await this.meter.changes('one port more of it, and the one before gone', async (change) => {
      const name = `more-${change}`;
      if (change > 0) await system.client.delete('Port', `more-${change - 1}`);
      const started = performance.now();
      await system.client.apply('Port', name, onFunction('wide', 1 + (change % this.#dpus), this.ports));
      await system.state.until('Port', { tenant: TENANT, name }, isEverywhere);
      return performance.now() - started;
    });
  }

  /** Faster and faster, until changes are not applied in time any more. */
  async #churn(reach: Reach): Promise<void> {
    const what = reach === 'ten' ? 'churn on routers of ten DPUs' : 'churn on a router of all DPUs';
    this.meter.progress(`${what}: networks, policies and lasting ports are made`);
    const churn = await this.#prepared(reach);
    // Of a first, short stretch nobody takes the time: code and caches are cold.
    await churn.run(FIRST_RATE[reach], 3);
    let best: Measured | undefined;
    for (let rate = FIRST_RATE[reach]; ; rate *= FASTER) {
      // What the machine did meanwhile may have been in the way once.
      let tried = await this.#churnAt(what, churn, rate);
      if (isQuick) {
        best = tried;
        break;
      }
      if (tried.p99 > BAR_MILLISECONDS) tried = await this.#churnAt(what, churn, rate);
      if (tried.p99 > BAR_MILLISECONDS) {
        this.meter.tell(`${what}: the first rate that is twice not applied in time, changes/s`, rate, '/s');
        this.meter.tell(`${what}: p99 at that rate`, tried.p99, 'ms');
        this.meter.tell(`${what}: intents/s at that rate`, tried.step.intentsPerSecond, '/s');
        break;
      }
      best = tried;
    }
    this.meter.tell(`${what}: most intents/s with p99 in time`, best?.step.intentsPerSecond ?? 0, '/s');
    if (best === undefined) return;
    const { step, cpu } = best;
    for (const [change, times] of [
      ['a pod', step.pods],
      ['a change of policy', step.policies],
    ] as const) {
      this.meter.tell(`${what}: ${change}, published to applied, p50`, quantile(times, 0.5), 'ms');
      this.meter.tell(
        `${what}: ${change}, published to applied, p99`,
        quantile(times, 0.99),
        'ms',
        BAR_MILLISECONDS,
      );
    }
    this.meter.tell(`${what}: deltas for an intent`, step.deltas / step.intents, '');
    for (const [name, milliseconds] of Object.entries(cpu))
      this.meter.tell(`${what}: processor of ${name} for an intent`, milliseconds / step.intents, 'ms');
  }

  async #churnAt(what: string, churn: Churn, rate: number): Promise<Measured> {
    const deltas = await this.meter.counted(`${SUBJECT_PREFIX}.dpu.*.delta.*`);
    const before = this.system.cpu();
    const step = await churn.run(rate, STEP_SECONDS);
    if (step.failures.length > 0)
      throw new Error(`${step.failures.length} changes failed: ${step.failures[0]}`);
    const cpu = cpuSince(before, this.system.cpu());
    const { messages } = await deltas.end();
    const p99 = Math.max(quantile(step.pods, 0.99), quantile(step.policies, 0.99) || 0);
    const told = step.intentsPerSecond.toFixed(1);
    this.meter.progress(
      `${what}: ${rate.toFixed(1)} changes/s asked for, ${told} intents/s, p99 ${p99.toFixed(0)} ms`,
    );
    return { step: { ...step, deltas: messages }, cpu, p99 };
  }

  async #reboot(): Promise<void> {
    const count = Math.max(1, Math.floor(this.#dpus / 10));
    this.meter.progress(`${count} reboot`);
    const { system } = this;
    const started = performance.now();
    const reboots = Array.from({ length: count }, (_, index) => {
      const dpu = { tenant: '_', name: `sim-${index + 1}` };
      const before = system.state.get('Dpu', dpu)?.status.incarnation;
      return system.state.until(
        'Dpu',
        dpu,
        (now) => now?.status.incarnation !== before && isReady(now?.status.conditions ?? []),
      );
    });
    await system.reboot(count);
    await Promise.all(reboots);
    await system.state.untilReadyDpus((ready) => ready === this.#dpus);
    this.meter.tell(`${count} rebooted at once, until all are ready`, since(started), 's');
  }
}

const { values } = parseArgs({
  options: {
    dpus: { type: 'string', default: '10,100,1000' },
    functions: { type: 'string', default: '32' },
    processes: { type: 'string', default: '1' },
    parts: { type: 'string', default: PARTS.join() },
    ports: { type: 'string', default: '1' },
    full: { type: 'string', default: '4' },
    profiles: { type: 'string' },
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});
const sizes = values.dpus.split(',').map(Number);
const functions = Number(values.functions);
const workerProcesses = Number(values.processes);
const ports = Number(values.ports);
const full = Number(values.full);
const parts = values.parts.split(',').filter((part) => part !== '');
const isPart = (part: string): part is Part => PARTS.some((known) => known === part);
if (!sizes.every((size) => Number.isInteger(size) && size >= 1 && size <= 1_000))
  throw new Error(`--dpus must be sizes of 1 to 1000\n${USAGE}`);
if (!Number.isInteger(functions) || functions < 8 || functions > 128)
  throw new Error(`--functions must be 8 to 128\n${USAGE}`);
if (!Number.isInteger(workerProcesses) || workerProcesses < 1 || workerProcesses > 10)
  throw new Error(`--processes must be 1 to 10\n${USAGE}`);
if (!Number.isInteger(ports) || ports < 1 || ports >= functions)
  throw new Error(`--ports must be 1 to ${functions - 1}, fewer than --functions\n${USAGE}`);
if (!Number.isInteger(full) || full < workerProcesses || full > 1_000)
  throw new Error(`--full must be 1 to 1000, and not less than --processes\n${USAGE}`);
if (!parts.every(isPart)) throw new Error(`--parts must be some of ${PARTS}\n${USAGE}`);
/** Runs something in a fleet that is there for it alone. */
async function inFleet(
  options: FleetSystemOptions,
  run: (system: FleetSystem) => Promise<void>,
): Promise<void> {
  const { profiles } = values;
  const system = await FleetSystem.start({ ...options, ...(profiles !== undefined && { profiles }) });
  try {
    await run(system);
  } finally {
    await system[Symbol.asyncDispose]();
  }
}

for (const dpus of sizes) {
  const options = { dpus, functions, workerProcesses };
  const others = parts.filter((part) => part !== 'large');
  if (others.length > 0) {
    note(`a fleet of ${dpus} DPUs with ${functions} functions each`);
    await inFleet(options, (system) => new Trial(system, new Meter(system), new Set(others), ports).run());
  }
  if (parts.includes('large')) {
    const working = Math.min(full, dpus);
    note(
      `a fleet of ${dpus} DPUs with ${functions} functions each, of which ${working} have workers and the others are played`,
    );
    await inFleet({ ...options, played: dpus - working }, (system) =>
      largeNetwork(system, new Meter(system), ports, working),
    );
  }
}
