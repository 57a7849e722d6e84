import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import { connectNats, generateCredentials, type Role, readCredentials, type StreamBus } from '@outboard/bus';
import { StateCache } from '@outboard/client';
import { subjects } from '@outboard/contracts';
import { type AppError, type Result, systemClock, unwrap } from '@outboard/core';
import { LocalStack, type LocalStackOptions, type Manifest, type Workspace } from '@outboard/local-stack';
import { type AnyResource, addressOf } from '@outboard/model';
import { type Pod, UdpFlow, waitConnected } from '@outboard/testbed';
import { Disk } from './disk.js';

const TENANT = 'acme';
const DEADLINE_MILLISECONDS = 60_000;
/** That must still arrive when all is over. */
const PACKETS_AFTERWARDS = 200;

export const DPUS = [1, 2].map((number) => ({
  name: `dpu-${number}`,
  serialNumber: `OB-FAULT-${number}`,
  pfMacAddress: `02:0b:00:00:0${number}:00`,
  functions: 256,
}));

/** A port of the network `red` on a function of a DPU (0, 1), the first two of which the traffic has. */
export const portManifest = (name: string, dpu: number, vfNumber: number, ip?: string): Manifest => {
  const { serialNumber, pfMacAddress } = DPUS[dpu] as (typeof DPUS)[number];
  const addresses = ip === undefined ? {} : { addresses: [{ subnet: 'red-v4', ip }] };
  const spec = { network: 'red', function: { serialNumber, pfMacAddress, vfNumber }, ...addresses };
  return { kind: 'Port', metadata: { name }, spec };
};

/** Who administers the broker itself: may do with streams and consumers what no role of Outboard may. */
const ADMINISTRATOR: Role = {
  name: 'broker-administrator',
  purpose: 'of these tests',
  publish: ['>'],
  subscribe: ['>'],
  answers: 'nothing',
};

export interface WorldOptions extends Partial<LocalStackOptions> {
  readonly name: string;
  /** Directories of programs (`network-intent/data`, `nats/store`) that are on one small disk, and its size. */
  readonly disk?: { readonly directories: readonly string[]; readonly mebibytes: number };
}

/** Outboard as processes, with two pods on two DPUs whose traffic no fault may disturb. */
export class World implements AsyncDisposable {
  #flows: UdpFlow[] = [];

  private constructor(
    readonly stack: LocalStack,
    readonly acme: Workspace,
    readonly operator: StreamBus,
    readonly administrator: StreamBus,
    readonly pods: readonly [Pod, Pod],
    private readonly directory: string,
    private readonly madeDisk: Disk | undefined,
  ) {}

  static async start({ name, disk: wanted, ...options }: WorldOptions): Promise<World> {
    const directory = mkdtempSync(join(tmpdir(), 'outboard-faults-'));
    const disk = wanted && Disk.make(name, wanted.mebibytes);
    for (const each of wanted?.directories ?? []) {
      const place = join(disk?.path ?? '', each.replaceAll('/', '-'));
      mkdirSync(place, { mode: 0o700 });
      mkdirSync(join(directory, each, '..'), { recursive: true, mode: 0o700 });
      symlinkSync(place, join(directory, each));
    }
    let stack: LocalStack | undefined;
    try {
      stack = await LocalStack.start({ name, directory, dpus: DPUS, resyncSeconds: 0, ...options });
      const administrator = await administratorOf(stack);
      const acme = await stack.workspace(TENANT);
      await acme.apply(
        { kind: 'Network', metadata: { name: 'red' }, spec: {} },
        { kind: 'Subnet', metadata: { name: 'red-v4' }, spec: { network: 'red', cidr: '10.9.0.0/16' } },
        portManifest('near', 0, 0, '10.9.255.1'),
        portManifest('far', 1, 0, '10.9.255.2'),
      );
      const pods = [await acme.connectPod('near'), await acme.connectPod('far')] as const;
      await waitConnected([...pods]);
      return new World(stack, acme, await stack.operator(), administrator, pods, directory, disk);
    } catch (failure) {
      await stack?.[Symbol.asyncDispose]();
      disk?.[Symbol.dispose]();
      throw failure;
    }
  }

  get disk(): Disk {
    if (this.madeDisk) return this.madeDisk;
    throw new Error('this world has no disk of its own');
  }

  program(name: string) {
    return this.stack.stack.program(name);
  }

  /** The database of a service. */
  database(service: string): string {
    return join(this.directory, service, 'data', `${service}.sqlite`);
  }

  /** Traffic between the pods, both ways. */
  startTraffic(): void {
    const [near, far] = this.pods;
    this.#flows = [UdpFlow.start({ from: near, to: far }), UdpFlow.start({ from: far, to: near })];
  }

  /** Ends the traffic; the fault must not have cost a single packet. */
  async expectUndisturbed(): Promise<void> {
    const flows = this.#flows;
    this.#flows = [];
    expect(flows).toHaveLength(2);
    await Promise.all(flows.map((flow) => flow.progress(PACKETS_AFTERWARDS)));
    const reports = await Promise.all(flows.map((flow) => flow.stop()));
    for (const report of reports) {
      expect(report).toMatchObject({ lost: 0, gaps: [], receiverDrops: 0, refused: {} });
    }
  }

  /**
   * What a program says of itself to `outboard ping`; empty: nothing is wrong; undefined: it does not answer.
   * @param dpu of a worker.
   */
  async problem(service: string, dpu?: string): Promise<string | undefined> {
    const { stdout } = await this.outboard('ping', '-o', 'json');
    const instances = stdout === '' ? [] : (JSON.parse(stdout) as Record<string, string>[]);
    return instances.find(
      ({ name, description = '' }) => name === service && (dpu === undefined || description.endsWith(dpu)),
    )?.problem;
  }

  /** Waits until what a program says of itself matches; undefined: until nothing is wrong with it. */
  async problemBecomes(service: string, pattern: RegExp | undefined, dpu?: string): Promise<void> {
    await eventually(`problem of ${service} becomes ${pattern ?? 'none'}`, async () => {
      const problem = await this.problem(service, dpu);
      const is = pattern === undefined ? problem === '' : pattern.test(problem ?? '');
      return is ? { found: true } : { missing: problem };
    });
  }

  /** A request of the tenant's orchestrator to create a resource. */
  async create(manifest: Manifest): Promise<Result<unknown, AppError>> {
    const subject = subjects.rpc(TENANT, 'network', manifest.kind.toLowerCase(), 'create');
    const message = { headers: {}, body: Buffer.from(JSON.stringify(this.acme.manifest(manifest))) };
    return this.acme.bus.request(subject, message, { deadlineMilliseconds: 5_000 });
  }

  /** Waits until a DPU is not ready for that reason. */
  async dpuBecomes(name: string, reason: string): Promise<void> {
    await eventually(`${name} is ${reason}`, async () => {
      const dpus = await this.stack.dpus();
      const conditions = dpus.find(({ metadata }) => metadata.name === name)?.status.conditions ?? [];
      return conditions.some((each) => each.reason === reason) ? { found: true } : { missing: conditions };
    });
  }

  /** The names of all ports, as the service lists them. */
  async ports(): Promise<readonly string[]> {
    return (await this.stack.ports(TENANT)).map(({ metadata }) => metadata.name).sort();
  }

  /** Everything that the stream of states tells whoever asks now, by subject. */
  async states(): Promise<ReadonlyMap<string, AnyResource>> {
    const cache = await StateCache.open(this.operator);
    const all = [...cache.values()];
    await cache[Symbol.asyncDispose]();
    return new Map(all.map((each) => [subjects.state(addressOf(each)), each]));
  }

  /** The names of all ports, as the stream of states tells whoever asks now. */
  async portsInStates(): Promise<readonly string[]> {
    const states = await this.states();
    return [...states.values()]
      .flatMap(({ kind, metadata }) => (kind === 'Port' ? [metadata.name] : []))
      .sort();
  }

  async statesInclude(wanted: readonly string[]): Promise<void> {
    await eventually('the stream of states has everything', async () => {
      const states = await this.states();
      const missing = wanted.filter((subject) => !states.has(subject));
      return missing.length === 0 ? { found: true } : { missing };
    });
  }

  /** The names of all ports, by the service and by the stream, when both are as they should be. */
  async portsBecome(wanted: readonly string[]): Promise<void> {
    await eventually('list and states have the same ports', async () => {
      const found = [await this.ports(), await this.portsInStates()];
      const are = found.every((each) => each.join() === wanted.join());
      return are ? { found: true } : { missing: found };
    });
  }

  /** Names in the log of events that were accepted since a file was made, as `outboard events --since` tells. */
  async acceptedSince(file: string): Promise<readonly string[]> {
    const { stdout } = await this.outboard(
      'events',
      '-A',
      '--since',
      statSync(file).mtime.toISOString(),
      '-o',
      'json',
    );
    const events = stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
    return events.flatMap(({ transition, name }) => (transition === 'accepted' ? [name] : []));
  }

  /** The command `outboard`, as the operator. */
  outboard(...words: readonly string[]): Promise<CommandResult> {
    const seed = join(this.stack.credentials, 'operator.seed');
    return run('cli', ['--server', this.stack.stack.clientUrl, '--seed', seed, ...words]);
  }

  /** Runs the service's own program with a command for its database, as an operator does. */
  storeCommand(service: string, ...words: readonly string[]): Promise<CommandResult> {
    return run(service, words, { OUTBOARD_DATA_DIRECTORY: dirname(this.database(service)) });
  }

  /** A call of JetStream's API by the broker's administrator. */
  async jetStream(call: string, body: object = {}): Promise<Record<string, unknown>> {
    const message = { headers: {}, body: Buffer.from(JSON.stringify(body)) };
    const options = { deadlineMilliseconds: 10_000 };
    const reply = unwrap(await this.administrator.request(`$JS.API.${call}`, message, options));
    return JSON.parse(Buffer.from(reply.body).toString());
  }

  async jetStreamBecomes(call: string, is: (answer: Record<string, unknown>) => boolean): Promise<void> {
    await eventually(call, async () => {
      const answer = await this.jetStream(call);
      return is(answer) ? { found: true } : { missing: answer };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const flow of this.#flows) await flow.stop();
    await this.administrator[Symbol.asyncDispose]();
    await this.stack[Symbol.asyncDispose]();
    this.madeDisk?.[Symbol.dispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Ports that are asked for one after the other, on both DPUs in turn, and what must become of them. */
export class Submissions {
  /** Accepted, or on their way. */
  readonly names: string[] = [];
  #vfNumber = 2;

  constructor(private readonly world: World) {}

  /** Of all ports that must be there, sorted. */
  get all(): readonly string[] {
    return [...this.names, 'near', 'far'].sort();
  }

  /** The same without the last ones. */
  before(count: number): readonly string[] {
    return [...this.names.slice(0, -count), 'near', 'far'].sort();
  }

  /** The next port, which is not asked for. */
  next(): Manifest {
    const number = this.#vfNumber++;
    return portManifest(`port-${number}`, number % 2, number >> 1);
  }

  /** Resolves when every one of so many more is accepted; a refusal fails. */
  async submit(count: number): Promise<void> {
    const manifests = Array.from({ length: count }, () => this.next());
    this.names.push(...manifests.map(({ metadata }) => metadata.name));
    await this.#submitAll(manifests);
  }

  /** Changes every port that was asked for. */
  change(round: number): Promise<void> {
    return this.#submitAll(
      this.names.map((name) => {
        const number = Number(name.slice('port-'.length));
        const { kind, metadata, spec } = portManifest(name, number % 2, number >> 1);
        return { kind, metadata, spec: { ...spec, allowedAddressPairs: [{ ip: `10.99.${round}.1` }] } };
      }),
    );
  }

  async expectAllReady(generation = 1): Promise<void> {
    for (const name of this.names) await this.world.acme.ready(name, generation, DEADLINE_MILLISECONDS);
    expect(await this.world.ports()).toEqual(this.all);
  }

  async #submitAll(manifests: readonly Manifest[]): Promise<void> {
    const answers = await Promise.all(manifests.map((manifest) => this.world.acme.submit(manifest)));
    for (const answer of answers) unwrap(answer);
  }
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Asks until it is found. Throws with what was there last. */
export async function eventually<Found>(
  what: string,
  look: () => Promise<{ readonly found: Found } | { readonly missing: unknown }>,
  milliseconds = DEADLINE_MILLISECONDS,
): Promise<Found> {
  const deadline = systemClock.monotonic() + milliseconds;
  for (;;) {
    const seen = await look();
    if ('found' in seen) return seen.found;
    if (systemClock.monotonic() > deadline)
      throw new Error(`not within ${milliseconds} ms: ${what}; last: ${JSON.stringify(seen.missing)}`);
    await systemClock.delay(100);
  }
}

/** Runs the main program of a service with arguments. */
function run(
  service: string,
  words: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const main = fileURLToPath(new URL(`../../services/${service}/dist/main.js`, import.meta.url));
  const env = { ...process.env, NODE_OPTIONS: '', ...variables };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, ...words],
      { env, maxBuffer: 64 * 1024 * 1024 },
      (failure, stdout, stderr) => resolve({ code: failure ? Number(failure.code) : 0, stdout, stderr }),
    );
  });
}

/** Lets the administrator in: one more user in the broker's configuration, which it reads again on SIGHUP. */
async function administratorOf({ stack, credentials, testbed }: LocalStack): Promise<StreamBus> {
  const [administrator] = await generateCredentials(credentials, [ADMINISTRATOR]);
  const file = join(testbed.directory, 'nats', 'nats-server.conf');
  const user = JSON.stringify({
    nkey: administrator?.publicKey,
    permissions: { publish: '>', subscribe: '>' },
  });
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace('  users: [\n', (users) => `${users}    ${user}\n`),
  );
  stack.program('nats').signal('SIGHUP');
  const { name } = ADMINISTRATOR;
  return eventually('the broker lets its administrator in', async () => {
    try {
      const bus = await connectNats({
        servers: stack.clientUrl,
        name,
        ...(await readCredentials(credentials, name)),
      });
      return { found: bus };
    } catch (failure) {
      return { missing: String(failure) };
    }
  });
}
