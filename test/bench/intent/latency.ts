/**
 * From the publishing of a port's intent to the `ready` event that says that its DPU has applied it and read it back:
 * nats-server, admin, network-intent and two workers as processes of their own, as `npm start` runs them.
 */
import { type Bus, type StreamBus } from '@outboard/bus';
import { HEADERS, SUBJECT_PREFIX, subjects } from '@outboard/contracts';
import { systemClock, unwrap } from '@outboard/core';
import { LocalStack } from '@outboard/local-stack';
import { namespacePrefix, waitUntil } from '@outboard/testbed';
import { note, quantile, report, teller, timed } from '../report.js';
import { sized } from '../sizes.js';
import { BareAttach } from './bare-attach.js';

const BENCH = 'intent';
const TENANT = 'acme';
const FUNCTIONS = sized(800, 20);
const DPUS = [1, 2].map((number) => ({
  name: `dpu-${number}`,
  serialNumber: `OB-BENCH-${number}`,
  pfMacAddress: `02:0b:00:00:0${number}:00`,
  functions: FUNCTIONS,
}));
/** Ports that are attached before anything counts: until then V8 compiles. */
const WARM_UP = sized(100, 5);
const SAMPLES = sized(400, 10);
const PAUSE_MILLISECONDS = 20;
/** Ports on their way at once when the stack is saturated. */
const SATURATING = 32;
/** Of the saturation and of the schedule: what a port takes grows with its network, so both must have the same. */
const LOADED_PORTS = sized(1_500, 30);
const DETACHED_MILLISECONDS = 60_000;
/** The processes have settled when all of them together take no more than that of one processor for so long. */
const IDLE_SHARE = 0.15;
const IDLE_MILLISECONDS = 1_000;
const LOAD = 0.8;

const name = `lat${process.pid.toString(36)}`;
const durability = process.argv.includes('--full') ? 'FULL' : 'NORMAL';

/** Publishes intents and hears what became of them. */
class Caller {
  readonly #waiting = new Map<string, { readonly transition: string; readonly resolve: () => void }>();
  #next = 0;

  private constructor(private readonly bus: Bus) {}

  static async open(bus: StreamBus): Promise<Caller> {
    const caller = new Caller(bus);
    const filterSubject = `${SUBJECT_PREFIX}.event.${TENANT}.>`;
    await bus.watch(
      { stream: 'OUTBOARD_EVENT', filterSubject, from: 'new' },
      { message: ({ subject, headers }) => caller.#heard(subject, headers[HEADERS.cause] ?? '') },
    );
    return caller;
  }

  /** Publishes an intent; resolves when the transition that it caused was told. */
  async submit(kind: string, named: string, transition: string, spec: object | undefined): Promise<void> {
    const address = { tenant: TENANT, api: 'network', kind: kind.toLowerCase(), name: named } as const;
    const manifest = {
      apiVersion: 'network.outboard.dev/v1alpha1',
      kind,
      metadata: { tenant: TENANT, name: named },
      spec,
    };
    const messageId = `${name}-${this.#next++}`;
    const headers = {
      [HEADERS.operation]: spec === undefined ? 'delete' : 'apply',
      [HEADERS.messageId]: messageId,
    };
    const body = Buffer.from(spec === undefined ? '' : JSON.stringify(manifest));
    const told = new Promise<void>((resolve) => this.#waiting.set(messageId, { transition, resolve }));
    unwrap(await this.bus.publish(subjects.intent(address), { headers, body }, { messageId }));
    await told;
  }

  #heard(subject: string, cause: string): void {
    const transition = subject.slice(subject.lastIndexOf('.') + 1);
    if (transition === 'refused') throw new Error(`${subject}: no intent of this benchmark may be refused`);
    const waiting = this.#waiting.get(cause);
    if (waiting?.transition !== transition) return;
    this.#waiting.delete(cause);
    waiting.resolve();
  }
}

/** Ports on the functions of both DPUs, each function once until all are detached. */
class Ports {
  readonly #attached: string[] = [];

  constructor(
    private readonly caller: Caller,
    private readonly stack: LocalStack,
  ) {}

  /** Milliseconds from `since` until the next port is ready. */
  async attach(since = performance.now()): Promise<number> {
    const number = this.#attached.length;
    const { serialNumber, pfMacAddress } = DPUS[number % DPUS.length] as (typeof DPUS)[number];
    const vfNumber = Math.floor(number / DPUS.length);
    const named = `port-${number}`;
    this.#attached.push(named);
    const spec = { network: 'blue', function: { serialNumber, pfMacAddress, vfNumber } };
    await this.caller.submit('Port', named, 'ready', spec);
    return performance.now() - since;
  }

  /**
   * Resolves when nothing of them is left in the kernel and the processes have done what follows from that. Attaching
   * never runs beside it: while the kernel removes a device, it keeps every other change of any device in any namespace
   * waiting, for 20 ms and more.
   */
  async detachAll(): Promise<void> {
    const named = this.#attached.splice(0);
    await Promise.all(named.map((each) => this.caller.submit('Port', each, 'deleted', undefined)));
    for (const { name: dpu } of DPUS) {
      await waitUntil(
        `no port is left on ${dpu}`,
        async () => {
          const { size } = await this.stack.endpoints(dpu);
          return size === 0 ? undefined : `${size} are`;
        },
        DETACHED_MILLISECONDS,
      );
    }
    await this.#settled();
  }

  async #settled(): Promise<void> {
    let before = this.#used();
    await waitUntil(
      'the processes are idle',
      async () => {
        await systemClock.delay(IDLE_MILLISECONDS);
        const used = this.#used() - before;
        before += used;
        return used <= IDLE_SHARE * IDLE_MILLISECONDS ? undefined : `they took ${used} ms`;
      },
      DETACHED_MILLISECONDS,
    );
  }

  /** Milliseconds of processor time that the processes have taken. */
  #used(): number {
    return [...this.stack.stack.usage().values()].reduce(
      (sum, { cpuMilliseconds }) => sum + cpuMilliseconds,
      0,
    );
  }
}

async function attachOneByOne(ports: Ports, count: number): Promise<number[]> {
  const milliseconds: number[] = [];
  for (let index = 0; index < count; index++) {
    milliseconds.push(await ports.attach());
    await systemClock.delay(PAUSE_MILLISECONDS);
  }
  return milliseconds;
}

/** Ports per second with so many on their way at any time. */
async function saturate(ports: Ports): Promise<number> {
  let begun = 0;
  const attaching = async (): Promise<void> => {
    while (begun++ < LOADED_PORTS) await ports.attach();
  };
  const milliseconds = await timed(() => Promise.all(Array.from({ length: SATURATING }, attaching)));
  return (LOADED_PORTS / milliseconds) * 1_000;
}

/** Ports come by a schedule, whatever became of those before; each is measured from when it should have come. */
async function openLoop(ports: Ports, perSecond: number): Promise<number[]> {
  const begin = performance.now();
  const attaching: Promise<number>[] = [];
  while (attaching.length < LOADED_PORTS) {
    const due = begin + (attaching.length * 1_000) / perSecond;
    const early = due - performance.now();
    if (early > 0) await systemClock.delay(early);
    attaching.push(ports.attach(due));
  }
  return Promise.all(attaching);
}

/** Whether the rate is kept up: they do not grow then. */
const medians = (milliseconds: readonly number[], size: number): number[] =>
  Array.from({ length: Math.ceil(milliseconds.length / size) }, (_, index) =>
    Math.round(quantile(milliseconds.slice(index * size, (index + 1) * size), 0.5)),
  );

const intent = teller(BENCH);
const tell = (metric: string, value: number, unit: string, most?: number): void =>
  intent(`${metric} (${durability})`, value, unit, most);

function compareIdle(idle: readonly number[], bare: readonly number[]): void {
  for (const [percent, most] of [
    [50, 4],
    [99, 20],
  ] as const) {
    const value = quantile(idle, percent / 100);
    const baseline = quantile(bare, percent / 100);
    report({
      bench: BENCH,
      metric: `published to read back, idle, p${percent}, against bare kernel (${durability})`,
      value,
      unit: 'ms',
      baseline,
      ratio: baseline / value,
      bar: `value <= ${most} ms`,
      ok: value <= most,
    });
  }
}

async function bareAttaches(): Promise<number[]> {
  const bare = await BareAttach.open(`${namespacePrefix(name)}bare-`, WARM_UP + SAMPLES);
  try {
    const milliseconds: number[] = [];
    for (let number = 0; number < WARM_UP + SAMPLES; number++) {
      milliseconds.push(await bare.attach(number));
      await systemClock.delay(PAUSE_MILLISECONDS);
    }
    return milliseconds.slice(WARM_UP);
  } finally {
    bare[Symbol.dispose]();
  }
}

const stack = await LocalStack.start({ name, dpus: DPUS, tenants: [TENANT], storeDurability: durability });
try {
  const caller = await Caller.open(await stack.operator());
  await caller.submit('Network', 'blue', 'accepted', {});
  await caller.submit('Subnet', 'blue-v4', 'accepted', { network: 'blue', cidr: '10.0.0.0/16' });
  const ports = new Ports(caller, stack);
  await attachOneByOne(ports, WARM_UP);
  compareIdle(await attachOneByOne(ports, SAMPLES), await bareAttaches());
  await ports.detachAll();
  const most = await saturate(ports);
  tell('ports attached at saturation', most, '/s');
  await ports.detachAll();
  const loaded = await openLoop(ports, LOAD * most);
  note(`${loaded.length} ports at ${Math.round(LOAD * most)}/s, measured from when each was due`);
  note(`medians of a hundred each, in order: ${medians(loaded, 100).join(', ')} ms`);
  tell('published to read back at 80 % of saturation, p50', quantile(loaded, 0.5), 'ms');
  tell('published to read back at 80 % of saturation, p99', quantile(loaded, 0.99), 'ms', 50);
} finally {
  await stack[Symbol.asyncDispose]();
}
