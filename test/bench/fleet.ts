/**
 * The real services over a real nats-server with fleets of simulated DPUs, each with the worker as it is: how long a fleet
 * needs to be ready, what a change costs when a network spans it, pods that come and go, a tenth that reboots at once.
 * `--dpus 10,100,1000` are the default sizes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connectNats, STREAMS, type StreamBus } from '@outboard/bus';
import { IntentPublisher, StateCache } from '@outboard/client';
import { SUBJECT_PREFIX } from '@outboard/contracts';
import { systemClock, unwrap } from '@outboard/core';
import { fleetDpu } from '@outboard/fleet-simulator';
import { addressOf, isReady, type KindName } from '@outboard/model';
import { Program, SERVICE_FLAGS } from '@outboard/testbed';
import { startNatsServer } from '@outboard/testkit';
import { note, quantile, report } from './report.js';

const BENCH = 'fleet';
const TENANT = 'acme';
/** DPUs that the wide network spans at most: each knows every port of it. */
const WIDE = 200;
const CHANGES = 40;
const CHURN_SECONDS = 15;
const CHURN_PER_SECOND = 50;
const BAR_MILLISECONDS = 1_000;
const DEADLINE_MILLISECONDS = 600_000;
const HEARTBEAT_SECONDS = 10;

const main = (service: string): string =>
  fileURLToPath(new URL(`../../../services/${service}/dist/main.js`, import.meta.url));

const tell = (metric: string, value: number, unit: string, bar?: number): void =>
  report({
    bench: BENCH,
    metric,
    value,
    unit,
    baseline: null,
    ratio: null,
    bar: bar === undefined ? null : `value <= ${bar} ${unit}`,
    ok: bar === undefined || value <= bar,
  });

/** What runs for one size of fleet. */
class Trial {
  readonly #times: number[] = [];

  constructor(
    readonly size: number,
    private readonly bus: StreamBus,
    private readonly state: StateCache,
    private readonly publisher: IntentPublisher,
    private readonly services: readonly Program[],
    private readonly workers: Program,
    private readonly spoken: () => Promise<Record<string, unknown>>,
  ) {}

  async run(): Promise<void> {
    await this.#bootStorm();
    await this.#heartbeats();
    await this.#wideNetwork();
    await this.#churn();
    await this.#reboot();
    for (const service of this.services) {
      const { residentBytes } = service.usage();
      tell(`${this.#dpus}: memory of ${service.specification.name}`, residentBytes / 2 ** 20, 'MiB');
    }
  }

  get #dpus(): string {
    return `${this.size} DPUs`;
  }

  async #bootStorm(): Promise<void> {
    const started = performance.now();
    const before = this.#cpu();
    await this.workers.start();
    await this.#until('all DPUs are ready', () => this.#readyDpus() === this.size);
    tell(
      `${this.#dpus}: all at once, from the start of the first until all are ready`,
      (performance.now() - started) / 1_000,
      's',
    );
    tell(`${this.#dpus}: processor time of the services meanwhile`, (this.#cpu() - before) / 1_000, 's');
  }

  async #heartbeats(): Promise<void> {
    let messages = 0;
    const counting = await this.bus.subscribe(`${SUBJECT_PREFIX}.dpu.*.heartbeat.*`, () => {
      messages++;
    });
    const before = this.#cpu();
    const started = performance.now();
    await systemClock.delay(HEARTBEAT_SECONDS * 1_000);
    const seconds = (performance.now() - started) / 1_000;
    await counting[Symbol.asyncDispose]();
    tell(`${this.#dpus}: heartbeats`, messages / seconds, '/s');
    tell(
      `${this.#dpus}: processor of the services while idle`,
      (this.#cpu() - before) / seconds / 10,
      '% of a core',
    );
  }

  /** One port on each DPU of a network, then one more again and again: until the last DPU has applied it. */
  async #wideNetwork(): Promise<void> {
    const span = Math.min(this.size, WIDE);
    await this.#apply('Network', 'wide', {});
    await this.#apply('Subnet', 'wide-v4', { network: 'wide', cidr: '10.64.0.0/16' });
    const started = performance.now();
    await Promise.all(
      Array.from({ length: span }, (_, index) =>
        this.#apply('Port', `wide-${index}`, this.#onFunction('wide', index + 1, 0)),
      ),
    );
    await this.#until('the wide network is everywhere', () =>
      Array.from({ length: span }, (_, index) => index).every((index) => this.#isEverywhere(`wide-${index}`)),
    );
    tell(
      `${this.#dpus}: a network over ${span} of them, a port on each, made`,
      (performance.now() - started) / 1_000,
      's',
    );
    let messages = 0;
    let bytes = 0;
    const counting = await this.bus.subscribe(`${SUBJECT_PREFIX}.dpu.*.delta.*`, ({ body }) => {
      messages++;
      bytes += body.length;
    });
    this.#times.length = 0;
    for (let change = 0; change < CHANGES; change++) {
      const name = `more-${change}`;
      const begun = performance.now();
      await this.#apply(
        'Port',
        name,
        this.#onFunction('wide', 1 + (change % span), 1 + Math.floor(change / span)),
      );
      await this.#until(`${name} is everywhere`, () => this.#isEverywhere(name));
      this.#times.push(performance.now() - begun);
    }
    await counting[Symbol.asyncDispose]();
    tell(
      `${this.#dpus}: one port more of it, until the last DPU has applied it, p50`,
      quantile(this.#times, 0.5),
      'ms',
    );
    tell(
      `${this.#dpus}: one port more of it, until the last DPU has applied it, p99`,
      quantile(this.#times, 0.99),
      'ms',
      BAR_MILLISECONDS,
    );
    tell(`${this.#dpus}: messages of such a change for each DPU`, messages / CHANGES / span, '');
    tell(`${this.#dpus}: bytes of such a change for each DPU`, bytes / CHANGES / span, 'B');
    this.workers.write('status\n');
    const { objects } = await this.spoken();
    tell(`${this.#dpus}: objects in all switches`, Number(objects), '');
  }

  /** Pods of small networks come and go by a fixed schedule, whatever becomes of those before. */
  async #churn(): Promise<void> {
    const networks = Math.min(20, this.size);
    for (let index = 0; index < networks; index++) {
      await this.#apply('Network', `small-${index}`, {});
      await this.#apply('Subnet', `small-${index}-v4`, {
        network: `small-${index}`,
        cidr: `10.${100 + index}.0.0/16`,
      });
    }
    this.#times.length = 0;
    const total = CHURN_SECONDS * CHURN_PER_SECOND;
    const started = performance.now();
    const all: Promise<void>[] = [];
    for (let index = 0; index < total; index++) {
      const due = started + (index * 1_000) / CHURN_PER_SECOND;
      const early = due - performance.now();
      if (early > 1) await systemClock.delay(early);
      all.push(this.#pod(index, networks, due));
    }
    await Promise.all(all);
    tell(
      `${this.#dpus}: pods made and removed, ${CHURN_PER_SECOND}/s asked for`,
      total / ((performance.now() - started) / 1_000),
      '/s',
    );
    tell(`${this.#dpus}: a pod's port, published to applied, p50`, quantile(this.#times, 0.5), 'ms');
    tell(
      `${this.#dpus}: a pod's port, published to applied, p99`,
      quantile(this.#times, 0.99),
      'ms',
      BAR_MILLISECONDS,
    );
  }

  async #pod(index: number, networks: number, due: number): Promise<void> {
    const name = `pod-${index}`;
    const dpu = 1 + (index % this.size);
    // Functions from the eighth on: each has long been free again when its turn comes.
    const vf = 8 + (Math.floor(index / this.size) % 100);
    await this.#apply('Port', name, this.#onFunction(`small-${index % networks}`, dpu, vf));
    await this.#until(`${name} is ready`, () => this.#isReady(name));
    this.#times.push(performance.now() - due);
    await this.#submit('Port', name, undefined);
  }

  async #reboot(): Promise<void> {
    const count = Math.max(1, Math.floor(this.size / 10));
    const started = performance.now();
    this.workers.write(`reboot ${count}\n`);
    await this.spoken();
    const ports = Array.from({ length: Math.min(count, WIDE) }, (_, index) => `wide-${index}`);
    await this.#until(
      'all are ready again',
      () => this.#readyDpus() === this.size && ports.every((name) => this.#isReady(name)),
    );
    tell(
      `${this.#dpus}: ${count} of them rebooted at once, until all is as it was`,
      (performance.now() - started) / 1_000,
      's',
    );
  }

  #readyDpus(): number {
    return [...this.state.values()].filter((each) => each.kind === 'Dpu' && isReady(each.status.conditions))
      .length;
  }

  #port(name: string) {
    const found = this.state.get(addressOf({ kind: 'Port', metadata: { tenant: TENANT, name } }));
    return found?.kind === 'Port' ? found : undefined;
  }

  #isReady(name: string): boolean {
    const port = this.#port(name);
    return port !== undefined && isReady(port.status.conditions);
  }

  #isEverywhere(name: string): boolean {
    const { applied = 0, total = 0 } = this.#port(name)?.status.propagated ?? {};
    return this.#isReady(name) && applied === total;
  }

  #onFunction(network: string, dpu: number, vfNumber: number): object {
    const { serialNumber, pfMacAddress } = fleetDpu(dpu);
    return {
      network,
      function: { serialNumber, pfMacAddress, vfNumber },
      addresses: [{ subnet: `${network}-v4` }],
    };
  }

  async #apply(kind: KindName, name: string, spec: object): Promise<void> {
    await this.#submit(kind, name, spec);
  }

  async #submit(kind: KindName, name: string, spec: object | undefined): Promise<void> {
    const metadata = { tenant: TENANT, name };
    const manifest = { apiVersion: 'network.outboard.dev/v1alpha1', kind, metadata, spec };
    const body = Buffer.from(spec === undefined ? '' : JSON.stringify(manifest));
    const operation = spec === undefined ? 'delete' : 'apply';
    unwrap(await this.publisher.submit(addressOf({ kind, metadata }), body, { operation }));
  }

  #until(what: string, look: () => boolean): Promise<unknown> {
    return this.state.until(what, look, DEADLINE_MILLISECONDS);
  }

  #cpu(): number {
    return this.services.reduce((sum, service) => sum + service.usage().cpuMilliseconds, 0);
  }
}

async function trial(size: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'outboard-bench-fleet-'));
  const server = await startNatsServer();
  const bus = await connectNats({ servers: server.url, name: 'bench' });
  const open: Program[] = [];
  try {
    unwrap(await bus.streams.provision(STREAMS, 'apply'));
    const services = ['admin', 'network-intent'].map(
      (name) =>
        new Program({
          name,
          command: [process.execPath, '--enable-source-maps', ...SERVICE_FLAGS, main(name)],
          logFile: join(folder, `${name}.log`),
          environment: { OUTBOARD_NATS_URL: server.url, OUTBOARD_DATA_DIRECTORY: join(folder, name) },
        }),
    );
    open.push(...services);
    for (const service of services) await service.start();
    const heard: ((said: Record<string, unknown>) => void)[] = [];
    const workers = new Program({
      name: 'workers',
      command: [
        process.execPath,
        '--max-old-space-size=12000',
        main('fleet-simulator'),
        '--dpus',
        String(size),
        '--functions',
        '128',
        '--nats',
        server.url,
      ],
      logFile: join(folder, 'workers.log'),
      readyMilliseconds: DEADLINE_MILLISECONDS,
      takesInput: true,
      onLine: (line) => {
        const said = JSON.parse(line) as Record<string, unknown>;
        if (['status', 'rebooted', 'refused'].includes(String(said.event))) heard.shift()?.(said);
      },
    });
    open.push(workers);
    const state = await StateCache.open(bus);
    const publisher = await IntentPublisher.open(bus, TENANT);
    const spoken = (): Promise<Record<string, unknown>> => new Promise((resolve) => heard.push(resolve));
    await new Trial(size, bus, state, publisher, services, workers, spoken).run();
    await publisher[Symbol.asyncDispose]();
    await state[Symbol.asyncDispose]();
  } finally {
    for (const program of open.reverse()) await program.dispose();
    await bus[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }
}

const { values } = parseArgs({
  options: { dpus: { type: 'string', default: '10,100,1000' }, json: { type: 'boolean', default: false } },
});
const sizes = values.dpus.split(',').map(Number);
if (!sizes.every((size) => Number.isInteger(size) && size >= 1 && size <= 1_000))
  throw new Error('--dpus must be sizes of 1 to 1000');
for (const size of sizes) {
  note(`a fleet of ${size} DPUs`);
  await trial(size);
}
