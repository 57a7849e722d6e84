import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Installation } from '@outboard/all-in-one';
import type { Bus, StreamBus } from '@outboard/bus';
import { IntentPublisher, StateCache } from '@outboard/client';
import { decodeBinary, ObservedReportSchema, subjects } from '@outboard/contracts';
import { type AppError, unwrap } from '@outboard/core';
import type { Driver, ObservedObject, OvsSpec, Scope } from '@outboard/dataplane';
import {
  type AnyResource,
  addressOf,
  decodeResource,
  isReady,
  type KindName,
  type Port,
} from '@outboard/model';
import type { Store } from '@outboard/store';
import { ManualClock } from '@outboard/testkit';
import { freeBeside } from './free.js';
import { IntentLedger } from './intent-ledger.js';
import { ADDRESS_SET, type Asked, drawAddressSet, drawPolicy, drawPort, POLICIES } from './intents.js';
import { Life, mortalClock } from './life.js';
import { ModelHistory } from './model-history.js';
import type { Place } from './place.js';
import { Pods } from './pods.js';
import { SeededRandom } from './seeded-random.js';
import { SimulatedBus, type Weather } from './simulated-bus.js';
import { simulatedDriver, type Trouble } from './simulated-driver.js';
import { SimulatedStore } from './simulated-store.js';

const DPUS = ['dpu-1', 'dpu-2', 'dpu-3'];
const SERVICES = ['admin', 'network-intent', 'acceleration-broker'];
const FUNCTIONS = 4;
/** Of one DPU: so much goes on while its switch is at work, and between what are steps for packets. */
const SLOW = {
  dpu: 'dpu-2',
  latency: {
    call: 2,
    operation: 1,
    read: 0.2,
    kinds: new Map([
      ['port', 40],
      ['gate', 20],
    ]),
    jitter: 0.8,
  },
};
const PLACES: readonly Place[] = DPUS.flatMap((dpu) =>
  Array.from({ length: FUNCTIONS }, (_, vf) => ({ dpu, representor: `pf0vf${vf}` })),
);
const PF_MAC_ADDRESS = '08:c0:eb:8a:d7:8a';
/** Of all functions. */
const IDENTITIES = DPUS.flatMap((dpu) =>
  Array.from({ length: FUNCTIONS }, (_, vfNumber) => ({
    serialNumber: `SN-${dpu}`,
    pfMacAddress: PF_MAC_ADDRESS,
    vfNumber,
  })),
);
const LEASE_MILLISECONDS = 9_000;
/** Two tenants that never meet, whatever happens. */
const TENANTS = [
  { name: 'acme', ipv4: '10.0.1', ipv6: 'fd00:1' },
  { name: 'globex', ipv4: '10.0.2', ipv6: 'fd00:2' },
];
const PORT_NAMES = 6;
/** Flows that are drawn each time that a switch has done something, and after each step. */
const FLOWS = { eachTime: 4, eachStep: 40 };
/** By so much at most the wall clock jumps, forwards or back, milliseconds. */
const MAXIMUM_JUMP = 6 * 3_600_000;
/** Milliseconds of the simulated clock within which everything must have come to rest after the last trouble. */
const REST_MILLISECONDS = 300_000;
const REST_STEP_MILLISECONDS = 250;
/** Between two attempts to have what nobody holds. */
const FREE_STEP_MILLISECONDS = 2_000;
const STEP_MILLISECONDS = 50;
/** Where files are in memory, if the machine has such a place: syncing them to a disk would only take time. */
const IN_MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
/** Within which everything that is stored is told, also in the worst weather but a partition. */
const TOLD_MILLISECONDS = 60_000;

const CALM: Weather = { loss: 0, duplication: 0, lateness: 0 };
const SOUND: Trouble = { failing: 0, lying: 0, blind: 0 };
/** In whose run looks at a switch fail too; none of the seeds that are kept. */
const isBlinding = (seed: number): boolean => seed % 5 === 3;

type IntentKind = 'Port' | 'SecurityPolicy' | 'AddressSet';
/** Under which a resource tells which intent has made it what it is. */
const ASKED_BY = 'asked-by';

/** One run: everything that happens follows from its seed, and is told when it fails. */
export class Simulation {
  readonly clock = new ManualClock();
  readonly random: SeededRandom;
  /** What was done, and how often: a run in which nothing happened proves nothing. */
  readonly counts = new Map<string, number>();
  readonly history: string[] = [];
  readonly #directory = mkdtempSync(join(IN_MEMORY, 'outboard-simulation-'));
  readonly #lives = new Map<string, Life>();
  readonly #weather = new Map<string, Weather>();
  readonly #trouble = new Map<string, Trouble>();
  readonly #intents = new IntentLedger();
  readonly #model = new ModelHistory(DPUS);
  /** What is tried is drawn apart: what happens does not depend on it. */
  readonly #tries: SeededRandom;
  /** What frames have shown while a switch was at work, and must not. */
  #wrong: string | undefined;
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
    this.#tries = new SeededRandom(~seed);
  }

  async open(): Promise<void> {
    const { clock, random } = this;
    for (const part of [...SERVICES, ...DPUS]) this.#weather.set(part, { ...CALM });
    for (const dpu of DPUS) this.#trouble.set(dpu, { ...SOUND });
    this.#installation = await Installation.start({
      directory: this.#directory,
      clock,
      random,
      leaseMilliseconds: LEASE_MILLISECONDS,
      surroundings: {
        clock: (part, clock) => mortalClock(clock, this.#lifeOf(part)),
        bus: (part, bus) => this.#busOf(part, bus),
        store: (part, store) => this.#storeOf(part, store),
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
        // One device more, and every seed would be another history: those that are kept stay what they are.
        physicalFunction: false,
        ...(name === SLOW.dpu && { latency: SLOW.latency }),
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
      [10, () => this.#delete('Port', `p${this.random.below(PORT_NAMES)}`)],
      [16, () => this.#applyPolicy()],
      [5, () => this.#delete('SecurityPolicy', this.random.any(POLICIES))],
      [8, () => this.#applyAddressSet()],
      [1, () => this.#delete('AddressSet', ADDRESS_SET)],
      [6, () => this.#crash(this.random.any([...SERVICES, ...DPUS]))],
      [3, () => this.#reboot(this.random.any(DPUS))],
      [6, () => this.#drift(this.random.any(DPUS))],
      [4, () => this.#storm(this.random.any([...SERVICES, ...DPUS]))],
      [3, () => this.#partition(this.random.any([...SERVICES, ...DPUS]))],
      [6, () => this.#clear()],
      [4, () => this.#breakSwitch(this.random.any(DPUS))],
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
    this.#demand((pods, count) => pods.misreach(this.#model, count));
    await this.#demandFree();
  }

  /** Whatever nobody holds can be had: nothing keeps a claim of what has gone, and nothing was refused for one. */
  async #demandFree(): Promise<void> {
    for (const { what, tenant, spec } of freeBeside(this.#ports(), TENANTS, IDENTITIES)) {
      await this.#mustBeHad(tenant ?? this.#tries.any(TENANTS).name, spec);
      this.#count(`free ${what} that can be had`);
    }
  }

  /** As soon as all DPUs have let go of what a port had that is gone. */
  async #mustBeHad(tenant: string, spec: Readonly<Record<string, unknown>>): Promise<void> {
    const end = this.clock.monotonic() + TOLD_MILLISECONDS;
    const name = `free-${this.#ids}`;
    for (;;) {
      // Of the deaths that were to come, one may come only now.
      this.#revive();
      const id = `id-${++this.#ids}`;
      const result = await this.#awaited(this.#submit(tenant, 'Port', name, { spec }, id));
      if (result.ok) return;
      if (this.clock.monotonic() > end)
        throw this.#failure(
          `nobody holds it, and it cannot be had: ${JSON.stringify(spec)}: ${whyOf(result.error)}`,
        );
      await this.#pass(FREE_STEP_MILLISECONDS);
    }
  }

  /** What must hold whatever goes wrong. */
  checkAlways(): void {
    this.#checkHolders();
    this.#checkReadBack();
    if (this.#wrong !== undefined) throw this.#failure(this.#wrong);
    this.#demand((pods, count) => pods.trespass(count));
    this.#demand((pods, count) => pods.extraAllow(this.#model, this.#tries, FLOWS.eachStep, count));
  }

  // What happens.

  #applyPort(): void {
    const { random } = this;
    const tenant = random.any(TENANTS);
    const boundTo = {
      serialNumber: `SN-${random.any(DPUS)}`,
      pfMacAddress: PF_MAC_ADDRESS,
      vfNumber: random.below(FUNCTIONS),
    };
    this.#ask('Port', tenant.name, `p${random.below(PORT_NAMES)}`, drawPort(random, tenant, boundTo));
  }

  #applyPolicy(): void {
    const { random } = this;
    const tenant = random.any(TENANTS);
    this.#ask('SecurityPolicy', tenant.name, random.any(POLICIES), drawPolicy(random, tenant));
  }

  #applyAddressSet(): void {
    const tenant = this.random.any(TENANTS);
    this.#ask('AddressSet', tenant.name, ADDRESS_SET, drawAddressSet(this.random, tenant));
  }

  #delete(kind: IntentKind, name: string): void {
    this.#ask(kind, this.random.any(TENANTS).name, name, undefined);
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
    this.#model.emptied(dpu);
  }

  /** Something that is ours disappears from a switch; sometimes nobody is told. */
  #drift(dpu: string): void {
    const vswitch = this.#installation.vswitch(dpu);
    const ours = vswitch
      .keys()
      .filter((key) => vswitch.get(key)?.ownership.kind === 'owned' && !key.startsWith('link/'));
    if (ours.length === 0) return;
    const key = this.random.any(ours);
    this.#count('drift', `${dpu} ${key}`);
    const before = vswitch.keys();
    if (this.random.chance(0.3)) vswitch.silently(() => vswitch.remove(key));
    else vswitch.remove(key);
    for (const each of before) if (vswitch.get(each) === undefined) this.#model.doubt(dpu, each);
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
    Object.assign(this.#trouble.get(dpu) ?? {}, {
      failing: 0.2,
      lying: 0.1,
      blind: isBlinding(this.seed) ? 0.2 : 0,
    });
  }

  #jump(): void {
    const milliseconds = this.random.below(2 * MAXIMUM_JUMP) - MAXIMUM_JUMP;
    this.#count(
      milliseconds < 0 ? 'jump of the clock back' : 'jump of the clock forwards',
      `${milliseconds} ms`,
    );
    this.clock.jump(milliseconds);
    this.#intents.jumped(milliseconds);
  }

  #clear(): void {
    for (const weather of this.#weather.values()) Object.assign(weather, CALM);
    for (const trouble of this.#trouble.values()) Object.assign(trouble, SOUND);
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
    this.#model.begins(part, this.#sequenceOnDisk(part));
    return this.#installation.startWorker(part);
  }

  /** Of the document that a worker finds when it starts; undefined: none. */
  #sequenceOnDisk(dpu: string): number | undefined {
    try {
      const file = readFileSync(join(this.#directory, dpu, 'documents', 'network.document'));
      const { sequence } = JSON.parse(file.toString('utf8', 0, file.indexOf('\n'))) as { sequence: string };
      return Number(sequence);
    } catch (failure) {
      if ((failure as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw failure;
    }
  }

  #ask(kind: IntentKind, tenant: string, name: string, asked: Asked | undefined): void {
    const id = `id-${++this.#ids}`;
    const key = `${kind} ${tenant}/${name}`;
    const intent = this.#intents.ask(key, id, asked);
    this.history.push(`${this.clock.monotonic()} ${id} ${key} ${JSON.stringify(asked ?? 'delete')}`);
    const send = async (): Promise<void> => {
      const result = await this.#submit(tenant, kind, name, asked, id);
      if (!result.ok && result.error.code === 'DEADLINE_EXCEEDED') return send();
      this.#intents.answer(intent, result.ok);
      const outcome = result.ok ? (asked ? 'accepted' : 'deleted') : 'refused';
      this.#count(`${kind} ${outcome}`, `${id} ${result.ok ? '' : whyOf(result.error)}`);
    };
    void send();
  }

  #submit(tenant: string, kind: KindName, name: string, asked: Asked | undefined, messageId: string) {
    const publisher = this.#publishers.get(tenant) as IntentPublisher;
    const metadata = { tenant, name, labels: { ...asked?.labels, [ASKED_BY]: messageId } };
    const manifest = { apiVersion: 'network.outboard.dev/v1alpha1', kind, metadata, spec: asked?.spec };
    const body = Buffer.from(asked === undefined ? '' : JSON.stringify(manifest));
    const operation = asked === undefined ? 'delete' : 'apply';
    return publisher.submit(addressOf({ kind, metadata: { tenant, name } }), body, { operation, messageId });
  }

  async #must(
    tenant: string,
    kind: KindName,
    name: string,
    spec: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    unwrap(await this.#awaited(this.#submit(tenant, kind, name, { spec }, `id-${++this.#ids}`)));
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

  /** Whatever is under way comes to its next wait for the clock first. */
  async #pass(milliseconds: number): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    await this.clock.advance(milliseconds);
  }

  // What is looked at.

  /** Why it is not at rest yet; undefined: it is. */
  #unrest(): string | undefined {
    const away = [...SERVICES, ...DPUS].find(
      (part) => this.#starting.has(part) || this.#lives.get(part)?.isOver,
    );
    if (away !== undefined) return `${away} does not run`;
    const { unanswered } = this.#intents;
    if (unanswered !== undefined) return `${unanswered}: an intent has no answer`;
    const there = new Map(this.#resources().map((resource) => [keyOf(resource), resource]));
    const wanted = this.#intents.wanted((key) => there.get(key)?.metadata.labels[ASKED_BY]);
    for (const [key, { id, asked }] of wanted) {
      const resource = there.get(key);
      if (resource === undefined) return `${key}: was accepted, and is lost`;
      const askedBy = resource.metadata.labels[ASKED_BY];
      if (askedBy !== id) return `${key}: is as ${askedBy} asked for it, not as ${id}`;
      const { conditions } = resource.status;
      if (asked?.spec.adminState !== 'DOWN' && !isReady(conditions))
        return `${key}: is not ready: ${JSON.stringify(conditions)}`;
    }
    const more = [...there.keys()].find((key) => !wanted.has(key));
    return more && `${more}: is there, and was never asked for or deleted`;
  }

  /** Of the kinds that are asked for all along. */
  #resources(): AnyResource[] {
    const kinds: readonly string[] = ['Port', 'SecurityPolicy', 'AddressSet'] satisfies IntentKind[];
    return [...this.#state.values()].filter(({ kind }) => kinds.includes(kind));
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
      const bound = spec.function;
      const held = [
        ...(bound ? [`function ${bound.serialNumber}/${bound.vfNumber}`] : []),
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
      const sender = senderKey(dpu, representor, macAddress);
      const unread = ['', ...status.addresses.map(({ ip }) => ip)].find(
        (ip) => !this.#readBack.has(`${sender} ${ip}`),
      );
      if (unread !== undefined)
        throw this.#failure(
          `${metadata.tenant}/${metadata.name} is ready, and was never read back ${unread}`,
        );
    }
  }

  #saw(dpu: string, objects: readonly ObservedObject<OvsSpec>[], scope: Scope<OvsSpec>): void {
    const vswitch = this.#installation.vswitch(dpu);
    const keys = scope.kind === 'keys' ? scope.keys : undefined;
    this.#model.missed(dpu, (key) => vswitch.get(key) !== undefined, keys);
    for (const { spec } of objects) {
      if (!('match' in spec)) continue;
      const { in_port: port, eth_src: mac, ipv4_src: ipv4, ipv6_src: ipv6 } = spec.match;
      if (port === undefined || mac === undefined) continue;
      const sender = senderKey(dpu, `${port}`, `${mac}`);
      this.#readBack.add(`${sender} `).add(`${sender} ${ipv4 ?? ipv6 ?? ''}`);
    }
  }

  /** Nothing may be wrong with what frames show. */
  #demand(show: (pods: Pods, count: (what: string) => void) => string | undefined): void {
    const wrong = show(this.#pods(), (what) => this.#count(what));
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
    const life = new Life((when) => this.#count(`death ${when}`, part));
    this.#lives.set(part, life);
    return life;
  }

  #storeOf(part: string, store: Store): Store {
    const life = this.#lifeOf(part);
    if (part !== 'network-intent') return new SimulatedStore(store, life);
    return new SimulatedStore(store, life, (batch, revision) => this.#model.stored(batch, revision));
  }

  #busOf(part: string, bus: StreamBus): StreamBus {
    const weather = this.#weather.get(part) as Weather;
    return new SimulatedBus(bus, this.#lifeOf(part), weather, this.random, this.clock, {
      count: (what) => this.#count(what),
      asks: (subject, body) => {
        if (subject === subjects.dpu(part, 'observed', 'network')) this.#reports(part, body);
      },
    });
  }

  /** A worker tells what it has read back. */
  #reports(dpu: string, body: Uint8Array): void {
    const { version, problemTotal } = unwrap(decodeBinary(ObservedReportSchema, body));
    if (version !== undefined && problemTotal === 0) this.#model.applied(dpu, Number(version.sequence));
  }

  /** A switch has done something: whatever is next, nothing may pass that no policies have allowed. */
  #looksWhile(dpu: string): void {
    if (this.#wrong !== undefined) return;
    const pods = this.#pods();
    this.#wrong = pods.extraAllow(
      this.#model,
      this.#tries,
      FLOWS.eachTime,
      (what) => this.#count(`at work: ${what}`),
      dpu,
    );
  }

  #pods(): Pods {
    return new Pods(this.#installation.fabric, PLACES, this.#ports());
  }

  #driverOf(part: string, driver: Driver<OvsSpec>): Driver<OvsSpec> {
    return simulatedDriver(driver, this.#lifeOf(part), this.#trouble.get(part) as Trouble, this.random, {
      count: (what) => this.#count(what),
      pretended: (key) => this.#model.doubt(part, key),
      did: (keys) => {
        this.#model.made(part, keys);
        this.#looksWhile(part);
      },
      saw: (objects, scope) => this.#saw(part, objects, scope),
    });
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

const keyOf = ({ kind, metadata: { tenant, name } }: AnyResource): string => `${kind} ${tenant}/${name}`;

/** A refusal with every rule that was broken. */
const whyOf = ({ message, violations }: AppError): string =>
  [message, ...violations.map(({ field, description }) => `${field} ${description}`)].join('; ');

/** A port as the switch knows it: whence and as whom its pod sends. */
const senderKey = (dpu = '', representor = '', macAddress = ''): string =>
  `${dpu} ${representor} ${macAddress}`;

const isLagging = ({ propagated }: Port['status']): boolean =>
  propagated !== undefined && propagated.applied < propagated.total;
