import { mkdtempSync, rmSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Installation } from '@outboard/all-in-one';
import type { Bus, StreamBus } from '@outboard/bus';
import { IntentPublisher, StateCache } from '@outboard/client';
import { subjects } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import type { Driver, ObservedObject, OvsSpec } from '@outboard/dataplane';
import { addressOf, decodeResource, isReady, type KindName, type Port } from '@outboard/model';
import type { Store } from '@outboard/store';
import { ManualClock } from '@outboard/testkit';
import { Life } from './life.js';
import { type Place, Pods } from './pods.js';
import { SeededRandom } from './seeded-random.js';
import { SimulatedBus, type Weather } from './simulated-bus.js';
import { simulatedDriver, type Trouble } from './simulated-driver.js';
import { SimulatedStore } from './simulated-store.js';

const DPUS = ['dpu-1', 'dpu-2', 'dpu-3'];
const SERVICES = ['admin', 'network-intent', 'acceleration-broker'];
const FUNCTIONS = 4;
const PLACES: readonly Place[] = DPUS.flatMap((dpu) =>
  Array.from({ length: FUNCTIONS }, (_, vf) => ({ dpu, representor: `pf0vf${vf}` })),
);
const PF_MAC_ADDRESS = '08:c0:eb:8a:d7:8a';
const LEASE_MILLISECONDS = 9_000;
/** Two tenants that never meet, whatever happens. */
const TENANTS = [
  { name: 'acme', ipv4: '10.0.1', ipv6: 'fd00:1' },
  { name: 'globex', ipv4: '10.0.2', ipv6: 'fd00:2' },
];
const PORT_NAMES = 6;
/** So few that ports compete for them. */
const ADDRESSES = 5;
/** By so much at most the wall clock jumps, forwards or back, milliseconds. */
const MAXIMUM_JUMP = 6 * 3_600_000;
/** Milliseconds of the simulated clock within which everything must have come to rest after the last trouble. */
const REST_MILLISECONDS = 300_000;
const REST_STEP_MILLISECONDS = 250;
const STEP_MILLISECONDS = 50;
/** Within which everything that is stored is told, also in the worst weather but a partition. */
const TOLD_MILLISECONDS = 60_000;

const CALM: Weather = { loss: 0, duplication: 0, lateness: 0 };

type PortSpec = Readonly<Record<string, unknown>> & { readonly adminState: 'UP' | 'DOWN' };
/** What was asked for a port, in order, and what became of it; undefined: no answer yet. */
interface Asked {
  readonly spec: PortSpec | undefined;
  accepted: boolean | undefined;
}

/** One run: everything that happens follows from its seed, and is told when it fails. */
export class Simulation {
  readonly clock = new ManualClock();
  readonly random: SeededRandom;
  /** What was done, and how often: a run in which nothing happened proves nothing. */
  readonly counts = new Map<string, number>();
  readonly history: string[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), 'outboard-simulation-'));
  readonly #lives = new Map<string, Life>();
  readonly #weather = new Map<string, Weather>();
  readonly #trouble = new Map<string, Trouble>();
  readonly #asked = new Map<string, Asked[]>();
  readonly #publishers = new Map<string, IntentPublisher>();
  readonly #starting = new Set<string>();
  /** What workers have read back of ports, ever: whence and as whom their pods may send. */
  readonly #readBack = new Set<string>();
  /** Since when something seems to have two holders. */
  #conflicts = new Map<string, number>();
  #installation!: Installation;
  #bus!: Bus;
  #state!: StateCache;
  #ids = 0;

  constructor(readonly seed: number) {
    this.random = new SeededRandom(seed);
  }

  async open(): Promise<void> {
    const { clock, random } = this;
    for (const part of [...SERVICES, ...DPUS]) this.#weather.set(part, { ...CALM });
    for (const dpu of DPUS) this.#trouble.set(dpu, { failing: 0, lying: 0 });
    this.#installation = await Installation.start({
      directory: this.#directory,
      clock,
      random,
      leaseMilliseconds: LEASE_MILLISECONDS,
      surroundings: {
        bus: (part, bus) => this.#busOf(part, bus),
        store: (part, store) => new SimulatedStore(store, this.#lifeOf(part)) satisfies Store,
        driver: (part, driver) => this.#driverOf(part, driver),
      },
    });
    this.#bus = this.#installation.connect();
    this.#state = await StateCache.open(this.#bus, '*', clock);
    for (const [index, name] of DPUS.entries())
      await this.#installation.addDpu({
        name,
        serialNumber: `SN-${name}`,
        pfMacAddress: PF_MAC_ADDRESS,
        functions: FUNCTIONS,
        underlayAddress: `10.255.0.${index + 1}`,
      });
    for (const { name: tenant, ipv4, ipv6 } of TENANTS) {
      this.#publishers.set(tenant, await IntentPublisher.open(this.#bus, tenant, clock));
      await this.#must(tenant, 'Network', 'blue', {});
      await this.#must(tenant, 'Subnet', 'blue-v4', { network: 'blue', cidr: `${ipv4}.0/24` });
      await this.#must(tenant, 'Subnet', 'blue-v6', { network: 'blue', cidr: `${ipv6}::/64` });
    }
  }

  async close(): Promise<void> {
    for (const life of this.#lives.values()) life.end();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Does something, lets some time pass, and looks whether what must always hold does. */
  async step(): Promise<void> {
    const act = this.random.pick<() => void>([
      [30, () => this.#applyPort()],
      [10, () => this.#deletePort()],
      [6, () => this.#crash(this.#any([...SERVICES, ...DPUS]))],
      [3, () => this.#reboot(this.#any(DPUS))],
      [6, () => this.#drift(this.#any(DPUS))],
      [4, () => this.#storm(this.#any([...SERVICES, ...DPUS]))],
      [3, () => this.#partition(this.#any([...SERVICES, ...DPUS]))],
      [6, () => this.#clear()],
      [4, () => this.#breakSwitch(this.#any(DPUS))],
      [2, () => this.#jump()],
    ]);
    act();
    this.#revive();
    const steps = this.random.pick([
      [6, 1],
      [3, 10],
      [1, 200],
    ]);
    for (let index = 0; index < steps; index++) await this.#pass(STEP_MILLISECONDS);
    this.checkAlways();
  }

  /** No trouble any more; waits until everything is as it was asked for. */
  async rest(): Promise<void> {
    this.#clear();
    const end = this.clock.monotonic() + REST_MILLISECONDS;
    let unrest: string | undefined;
    do {
      this.#revive();
      await this.#pass(REST_STEP_MILLISECONDS);
      this.#checkHolders();
      unrest = this.#unrest() ?? (await this.#lag()) ?? (await this.#deviation());
    } while (unrest !== undefined && this.clock.monotonic() < end);
    if (unrest !== undefined) throw this.#failure(unrest);
    this.checkAlways();
    const [conflict] = this.#conflicts.keys();
    if (conflict !== undefined) throw this.#failure(conflict);
    this.#demand((pods, count) => pods.misreach(count));
  }

  /** What must hold whatever goes wrong. */
  checkAlways(): void {
    this.#checkHolders();
    this.#checkReadBack();
    this.#demand((pods, count) => pods.trespass(count));
  }

  // What happens.

  #applyPort(): void {
    const { random } = this;
    const { name: tenant, ipv4 } = this.#any(TENANTS);
    const name = `p${random.below(PORT_NAMES)}`;
    const address = random.chance(0.5) ? { ip: `${ipv4}.${10 + random.below(ADDRESSES)}` } : {};
    const spec: PortSpec = {
      network: 'blue',
      function: {
        serialNumber: `SN-${this.#any(DPUS)}`,
        pfMacAddress: PF_MAC_ADDRESS,
        vfNumber: random.below(FUNCTIONS),
      },
      addresses: [{ subnet: 'blue-v4', ...address }, { subnet: 'blue-v6' }],
      adminState: random.chance(0.85) ? 'UP' : 'DOWN',
    };
    this.#ask(tenant, name, spec);
  }

  #deletePort(): void {
    this.#ask(this.#any(TENANTS).name, `p${this.random.below(PORT_NAMES)}`, undefined);
  }

  #crash(part: string): void {
    const life = this.#lives.get(part);
    if (life === undefined || life.isOver) return;
    this.#count('crash', part);
    life.endAfter(1 + this.random.below(12));
  }

  #reboot(dpu: string): void {
    this.#count('reboot', dpu);
    this.#lives.get(dpu)?.end();
    this.#installation.reboot(dpu);
  }

  /** Something that is ours disappears from a switch; sometimes nobody is told. */
  #drift(dpu: string): void {
    const vswitch = this.#installation.vswitch(dpu);
    const ours = vswitch
      .keys()
      .filter((key) => vswitch.get(key)?.ownership.kind === 'owned' && !key.startsWith('link/'));
    if (ours.length === 0) return;
    const key = this.#any(ours);
    this.#count('drift', `${dpu} ${key}`);
    if (this.random.chance(0.3)) vswitch.silently(() => vswitch.remove(key));
    else vswitch.remove(key);
  }

  #storm(part: string): void {
    this.#count('storm', part);
    Object.assign(this.#weather.get(part) ?? {}, { loss: 0.2, duplication: 0.2, lateness: 300 });
  }

  #partition(part: string): void {
    this.#count('partition', part);
    Object.assign(this.#weather.get(part) ?? {}, { loss: 1, duplication: 0, lateness: 0 });
  }

  #breakSwitch(dpu: string): void {
    this.#count('broken switch', dpu);
    Object.assign(this.#trouble.get(dpu) ?? {}, { failing: 0.2, lying: 0.1 });
  }

  #jump(): void {
    const milliseconds = this.random.below(2 * MAXIMUM_JUMP) - MAXIMUM_JUMP;
    this.#count('jump of the clock', `${milliseconds} ms`);
    this.clock.jump(milliseconds);
  }

  #clear(): void {
    for (const weather of this.#weather.values()) Object.assign(weather, CALM);
    for (const trouble of this.#trouble.values()) Object.assign(trouble, { failing: 0, lying: 0 });
  }

  /** Whatever has died is started again. */
  #revive(): void {
    for (const part of [...SERVICES, ...DPUS]) {
      if (!this.#lives.get(part)?.isOver || this.#starting.has(part)) continue;
      this.#installation.kill(part);
      this.#lives.delete(part);
      this.#starting.add(part);
      const started = this.#start(part).catch((failure) => {
        this.history.push(`${this.clock.monotonic()} ${part} did not start: ${failure}`);
        this.#lifeOf(part).end();
      });
      // What dies while it starts never has started.
      void Promise.race([started, this.#lifeOf(part).over]).then(() => this.#starting.delete(part));
    }
  }

  #start(part: string): Promise<unknown> {
    if (part === 'admin') return this.#installation.startAdmin();
    if (part === 'network-intent') return this.#installation.startNetworkIntent();
    if (part === 'acceleration-broker') return this.#installation.startAccelerationBroker();
    return this.#installation.startWorker(part);
  }

  #ask(tenant: string, name: string, spec: PortSpec | undefined): void {
    const asked: Asked = { spec, accepted: undefined };
    const key = `${tenant}/${name}`;
    this.#asked.set(key, [...(this.#asked.get(key) ?? []), asked]);
    const messageId = `id-${++this.#ids}`;
    this.history.push(`${this.clock.monotonic()} ${messageId} ${key} ${JSON.stringify(spec ?? 'delete')}`);
    const send = async (): Promise<void> => {
      const result = await this.#submit(tenant, 'Port', name, spec, messageId);
      if (!result.ok && result.error.code === 'DEADLINE_EXCEEDED') return send();
      asked.accepted = result.ok;
      this.#count(
        result.ok ? (spec ? 'accepted' : 'deleted') : 'refused',
        `${messageId} ${result.ok ? '' : result.error.message}`,
      );
    };
    void send();
  }

  #submit(tenant: string, kind: KindName, name: string, spec: object | undefined, messageId: string) {
    const publisher = this.#publishers.get(tenant) as IntentPublisher;
    const manifest = { apiVersion: 'network.outboard.dev/v1alpha1', kind, metadata: { tenant, name }, spec };
    const body = Buffer.from(spec === undefined ? '' : JSON.stringify(manifest));
    const operation = spec === undefined ? 'delete' : 'apply';
    return publisher.submit(addressOf({ kind, metadata: { tenant, name } }), body, { operation, messageId });
  }

  async #must(tenant: string, kind: KindName, name: string, spec: object): Promise<void> {
    unwrap(await this.#awaited(this.#submit(tenant, kind, name, spec, `id-${++this.#ids}`)));
  }

  async #awaited<Value>(promise: Promise<Value>): Promise<Value> {
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    promise.then(done, done);
    while (!isDone) await this.#pass(STEP_MILLISECONDS);
    return promise;
  }

  /** Time passes, but not past what is written to files meanwhile: who asks for one, too, does not overtake it by far. */
  async #pass(milliseconds: number): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    await stat(this.#directory);
    await this.clock.advance(milliseconds);
  }

  // What is looked at.

  /** Why it is not at rest yet; undefined: it is. */
  #unrest(): string | undefined {
    const away = [...SERVICES, ...DPUS].find(
      (part) => this.#starting.has(part) || this.#lives.get(part)?.isOver,
    );
    if (away !== undefined) return `${away} does not run`;
    for (const [key, asked] of this.#asked)
      if (asked.some(({ accepted }) => accepted === undefined)) return `${key}: an intent has no answer`;
    const wanted = this.#wanted();
    for (const [key, spec] of wanted) {
      const port = this.#ports().find(({ metadata }) => `${metadata.tenant}/${metadata.name}` === key);
      if (port === undefined) return `${key}: was accepted, and is lost`;
      const { vfNumber, serialNumber } = spec.function as { vfNumber: number; serialNumber: string };
      const bound = port.spec.function;
      if (bound?.vfNumber !== vfNumber || bound.serialNumber !== serialNumber) return `${key}: is another`;
      if (spec.adminState === 'UP' && !isReady(port.status.conditions))
        return `${key}: is not ready: ${JSON.stringify(port.status.conditions)}`;
    }
    const more = this.#ports().find(({ metadata }) => !wanted.has(`${metadata.tenant}/${metadata.name}`));
    return (
      more && `${more.metadata.tenant}/${more.metadata.name}: is there, and was never asked for or deleted`
    );
  }

  /** What was accepted last of each port. */
  #wanted(): Map<string, PortSpec> {
    const wanted = new Map<string, PortSpec>();
    for (const [key, asked] of this.#asked)
      for (const { spec, accepted } of asked) {
        if (!accepted) continue;
        if (spec === undefined) wanted.delete(key);
        else wanted.set(key, spec);
      }
    return wanted;
  }

  #ports(): Port[] {
    return [...this.#state.values()].filter((resource): resource is Port => resource.kind === 'Port');
  }

  /**
   * What is told of two resources may be told in the other order after a failure: only what stays so has two holders.
   * (Two holders in the store would be refused by it.)
   */
  #checkHolders(): void {
    const holders = new Map<string, string>();
    const conflicts = new Map<string, number>();
    for (const { metadata, spec, status } of this.#ports()) {
      const name = `${metadata.tenant}/${metadata.name}`;
      const { serialNumber, vfNumber } = spec.function ?? {};
      const held = [
        `function ${serialNumber}/${vfNumber}`,
        ...status.addresses.map(({ ip }) => `address ${metadata.tenant} ${ip}`),
      ];
      for (const each of held) {
        const other = holders.get(each);
        holders.set(each, name);
        if (other === undefined) continue;
        const conflict = `${each} is held by ${other} and ${name}`;
        // Who is cut off tells nothing.
        const isCutOff = this.#weather.get('network-intent')?.loss === 1;
        const since = (isCutOff ? undefined : this.#conflicts.get(conflict)) ?? this.clock.monotonic();
        if (this.clock.monotonic() - since > TOLD_MILLISECONDS) throw this.#failure(conflict);
        conflicts.set(conflict, since);
      }
    }
    this.#conflicts = conflicts;
  }

  /** Nobody is told that a port is ready before its worker has seen it on the switch. */
  #checkReadBack(): void {
    for (const { metadata, spec, status } of this.#ports()) {
      if (spec.adminState === 'DOWN' || !isReady(status.conditions)) continue;
      this.#count('ready port that was read back');
      const { dpu, representor, macAddress } = status;
      if (!this.#readBack.has(senderKey(dpu, representor, macAddress)))
        throw this.#failure(`${metadata.tenant}/${metadata.name} is ready, and was never read back`);
    }
  }

  #saw(dpu: string, objects: readonly ObservedObject<OvsSpec>[]): void {
    for (const { spec } of objects) {
      if (!('match' in spec)) continue;
      const { in_port: port, eth_src: mac } = spec.match;
      if (port !== undefined && mac !== undefined) this.#readBack.add(senderKey(dpu, `${port}`, `${mac}`));
    }
  }

  /** Nothing may be wrong with what frames show. */
  #demand(show: (pods: Pods, count: (what: string) => void) => string | undefined): void {
    const pods = new Pods(this.#installation.fabric, PLACES, this.#ports());
    const wrong = show(pods, (what) => this.#count(what));
    if (wrong !== undefined) throw this.#failure(wrong);
  }

  /** Where a switch has something else than what layer 1 says, all of it applied; undefined: nowhere. */
  async #deviation(): Promise<string | undefined> {
    let objects = 0;
    for (const dpu of DPUS) {
      const wanted = new Set<string>();
      for (let pageToken = ''; ; ) {
        const reply = await this.#layer1(dpu, pageToken);
        if (!reply.ok) return reply.error.message;
        const { items = [], nextPageToken = '' } = JSON.parse(Buffer.from(reply.value.body).toString()) as {
          items?: { key: string; state: string }[];
          nextPageToken?: string;
        };
        for (const { key, state } of items) {
          if (state !== 'APPLIED') return `${dpu}: ${key} is ${state}`;
          wanted.add(key);
        }
        pageToken = nextPageToken;
        if (pageToken === '') break;
      }
      const vswitch = this.#installation.vswitch(dpu);
      const owned = vswitch.keys().filter((key) => vswitch.get(key)?.ownership.kind === 'owned');
      const left = owned.filter((key) => !wanted.has(key));
      if (left.length > 0) return `${dpu}: nobody wants ${left.join(' ')}`;
      const lacking = [...wanted].filter((key) => vswitch.get(key) === undefined);
      if (lacking.length > 0) return `${dpu}: lacks ${lacking.join(' ')}`;
      objects += owned.length;
    }
    this.#count('objects as wanted', '', objects);
    return undefined;
  }

  /**
   * Which port not every DPU of its network knows, or of which the state says so though the service knows better; undefined:
   * none.
   */
  async #lag(): Promise<string | undefined> {
    for (const { metadata, status } of this.#ports()) {
      if (!isLagging(status)) continue;
      const { tenant = '', name } = metadata;
      const body = Buffer.from(JSON.stringify({ name }));
      const subject = subjects.rpc(tenant, 'network', 'port', 'get');
      const reply = await this.#awaited(
        this.#bus.request(subject, { headers: {}, body }, { deadlineMilliseconds: 60_000 }),
      );
      if (!reply.ok) return reply.error.message;
      const port = unwrap(decodeResource(JSON.parse(Buffer.from(reply.value.body).toString())));
      if (port.kind !== 'Port' || isLagging(port.status))
        return `${tenant}/${name}: not every DPU knows it: ${JSON.stringify(port.status)}`;
      return `${tenant}/${name}: its state stays behind what is known: ${JSON.stringify(status.propagated)}`;
    }
    return undefined;
  }

  #layer1(dpu: string, pageToken: string): ReturnType<Bus['request']> {
    const body = Buffer.from(JSON.stringify({ dpu, pageSize: 500, pageToken }));
    const subject = subjects.rpc('_', 'network', 'layer1', 'list');
    return this.#awaited(this.#bus.request(subject, { headers: {}, body }, { deadlineMilliseconds: 60_000 }));
  }

  // What stands between.

  #lifeOf(part: string): Life {
    const standing = this.#lives.get(part);
    if (standing !== undefined) return standing;
    const life = new Life(() => this.history.push(`${this.clock.monotonic()} ${part} dies`));
    this.#lives.set(part, life);
    return life;
  }

  #busOf(part: string, bus: StreamBus): StreamBus {
    const weather = this.#weather.get(part) as Weather;
    return new SimulatedBus(bus, this.#lifeOf(part), weather, this.random, this.clock, (what) =>
      this.#count(what),
    );
  }

  #driverOf(part: string, driver: Driver<OvsSpec>): Driver<OvsSpec> {
    return simulatedDriver(driver, this.#lifeOf(part), this.#trouble.get(part) as Trouble, this.random, {
      count: (what) => this.#count(what),
      saw: (objects) => this.#saw(part, objects),
    });
  }

  #any<Value>(values: readonly Value[]): Value {
    return values[this.random.below(values.length)] as Value;
  }

  #count(what: string, detail = '', more = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + more);
    if (detail !== '') this.history.push(`${this.clock.monotonic()} ${what} ${detail}`);
  }

  #failure(what: string): Error {
    const last = this.history.slice(-60).join('\n  ');
    return new Error(`seed ${this.seed}: ${what}\n  ${last}`);
  }
}

/** A port as the switch knows it: whence and as whom its pod sends. */
const senderKey = (dpu = '', representor = '', macAddress = ''): string =>
  `${dpu} ${representor} ${macAddress}`;

const isLagging = ({ propagated }: Port['status']): boolean =>
  propagated !== undefined && propagated.applied < propagated.total;
