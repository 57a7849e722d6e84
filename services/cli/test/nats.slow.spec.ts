import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  connectNats,
  type Delivery,
  generateCredentials,
  readCredentials,
  renderServerConfig,
  roles,
} from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import { type NatsServer, startNatsServer } from '@outboard/testkit';
import { functionOf, list, network, parkIntents, port, subnet, World } from './world.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** As a local stack leaves it: a folder in which the command finds the operator's seed. */
const folder = mkdtempSync(join(tmpdir(), 'outboard-cli-'));
const credentials = join(folder, '.outboard/local-stack/credentials');
const children = new Set<ChildProcess>();
const connections = new Set<AsyncDisposable>();

let server: NatsServer;
let world: World;

beforeAll(async () => {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is not built: npx tsc -b services/cli`);
  const authorized = await generateCredentials(credentials, [
    roles.admin(),
    roles.networkIntent(),
    roles.accelerationBroker(),
    roles.worker('dpu-1'),
    roles.operator(),
    roles.orchestrator('acme'),
  ]);
  server = await startNatsServer({
    configure: (place) => renderServerConfig({ ...place, port: 0, roles: authorized }),
  });
  world = await World.open(async (role) =>
    connectNats({ servers: server.url, name: role, ...(await readCredentials(credentials, role)) }),
  );
  await world.registerDpu(2);
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const connection of connections) await connection[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** The command as a process of its own. */
class Command {
  readonly ended: Promise<{ exitCode: number | null; stdout: string; stderr: string }>;
  readonly #child: ChildProcess;
  readonly #looks = new Set<() => void>();
  #stdout = '';
  #stderr = '';

  /** @param input null: it is still being written. */
  constructor(
    commandLine: string,
    input: string | null = '',
    environment: Readonly<Record<string, string>> = {},
  ) {
    this.#child = spawn(process.execPath, [MAIN, ...commandLine.split(' ')], {
      cwd: folder,
      env: { PATH: process.env.PATH, OUTBOARD_NATS_URL: server.url, ...environment },
    });
    children.add(this.#child);
    this.#child.stdout?.on('data', (chunk) => {
      this.#stdout += chunk;
      for (const look of this.#looks) look();
    });
    this.#child.stderr?.on('data', (chunk) => {
      this.#stderr += chunk;
    });
    if (input !== null) this.#child.stdin?.end(input);
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (exitCode) => {
        children.delete(this.#child);
        resolve({ exitCode, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  shows(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.#stdout.includes(text)) resolve();
      };
      this.#looks.add(look);
      look();
      this.ended.then(() => reject(new Error(`ended without ${text}: ${this.#stdout}${this.#stderr}`)));
    });
  }

  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  /** Resolves when it has read almost all of that, which is more than a pipe holds. */
  reads(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#child.stdin?.write(text, (failure) => (failure ? reject(failure) : resolve()));
    });
  }

  /** Nobody reads any more. */
  closeOutput(): void {
    this.#child.stdout?.destroy();
  }
}

const run = (...given: ConstructorParameters<typeof Command>) => new Command(...given).ended;

describe('the built command against nats-server with permissions', () => {
  it('needs nothing but the folder of a local stack, and goes all the way', async () => {
    const { input } = list(
      network('blue'),
      subnet('blue-v4', '10.0.1.0/24'),
      port('web-0', { function: functionOf(0) }),
    );
    expect(await run('apply -f -', input)).toEqual({
      exitCode: 0,
      stdout: 'network/blue created\nsubnet/blue-v4 created\nport/web-0 created\n',
      stderr: '',
    });
    const waiting = new Command('wait -t acme port/web-0 --for condition=Ready');
    await world.reportApplied();
    expect(await waiting.ended).toEqual({ exitCode: 0, stdout: 'port/web-0 condition met\n', stderr: '' });
    const events = new Command('events ports -A --since 0 --follow');
    await events.shows('AppliedAndReadBack');
    events.interrupt();
    expect(await events.ended).toMatchObject({ exitCode: 130, stderr: '' });
    const { stdout } = await run('describe -t acme port web-0');
    expect(stdout).toContain('  dpu: dpu-1\n');
    expect(stdout).toMatch(/ago {3}ready +AppliedAndReadBack/);
    const ping = await run('ping -o json');
    expect(JSON.parse(ping.stdout)).toMatchObject([
      { name: 'acceleration-broker' },
      { name: 'admin' },
      { name: 'network-intent' },
    ]);
    expect(await run('delete -f - --wait', input)).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('follows changes across a restart of the server', async () => {
    const watching = new Command('watch networks -A');
    await run('apply -f -', list(network('before')).input);
    // As it is created, or as what is there, if the watch was slower to begin.
    await watching.shows('acme/network/before');
    await server.kill();
    await server.start();
    // Until the services have found their way back, there is nobody to answer.
    while ((await run('get networks,dpus -A')).exitCode !== 0);
    while ((await run('apply -f -', list(network('after')).input)).exitCode !== 0);
    await watching.shows('created     acme/network/after');
    watching.interrupt();
    const { exitCode, stdout } = await watching.ended;
    expect(exitCode).toBe(130);
    expect(stdout.match(/network\/before/g)).toHaveLength(1);
    await run('delete -t acme network before after');
  });

  it('may do what its role may, and says what it may not', async () => {
    const orchestrator = { OUTBOARD_NATS_SEED_FILE: join(credentials, 'orchestrator-acme.seed') };
    const own = await run('apply -f -', list(network('own')).input, orchestrator);
    expect(own).toMatchObject({ exitCode: 0, stdout: 'network/own created\n' });
    const watching = new Command('watch all -t acme', '', orchestrator);
    await watching.shows('acme/network/own');
    watching.interrupt();
    await watching.ended;
    for (const commandLine of ['get dpus', 'get ports -t globex', 'watch ports -t globex', 'events -A']) {
      const { exitCode, stdout, stderr } = await run(commandLine, '', orchestrator);
      expect({ exitCode, stdout: stdout.replace(/^TIME.*\n/, '') }).toEqual({ exitCode: 1, stdout: '' });
      expect(stderr).toMatch(/^outboard: this role may not .*\n {2}the role of your seed may not do this/);
    }
  });

  it('shows, replays and drops dead letters as the operator; nobody else does', async () => {
    const service = await connectNats({
      servers: server.url,
      name: 'network-intent',
      ...(await readCredentials(credentials, 'network-intent')),
    });
    const delivered: Delivery[] = [];
    let succeed = (): void => {};
    const success = new Promise<void>((resolve) => {
      succeed = resolve;
    });
    connections.add(service);
    await parkIntents(service, (delivery) => {
      if (delivered.push(delivery) < 3) return 'out of order';
      succeed();
      return undefined;
    });
    const subject = 'outboard.v1alpha1.intent.acme.network.port.web-0';
    await service.publish(subject, { headers: {}, body: Buffer.from('{}') }, { messageId: 'intent-1' });
    const listed = async (): Promise<{ sequence: number }[]> =>
      JSON.parse((await run('dead list -o json')).stdout).items;
    const letters = async (): Promise<number[]> => (await listed()).map(({ sequence }) => sequence);
    while ((await letters()).length === 0);
    const [first = 0] = await letters();
    expect((await run(`dead show ${first}`)).stdout).toContain('Reason:       out of order\n');
    expect((await run(`dead show ${first + 1}`)).stderr).toBe(
      `outboard: there is no dead letter ${first + 1}\n`,
    );
    const orchestrator = { OUTBOARD_NATS_SEED_FILE: join(credentials, 'orchestrator-acme.seed') };
    for (const verb of ['list', `show ${first}`, `replay ${first}`, `drop ${first}`]) {
      const { exitCode, stderr } = await run(`dead ${verb}`, '', orchestrator);
      expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining('may not') });
    }
    const replayed = await run(`dead replay ${first}`);
    expect(replayed).toMatchObject({ exitCode: 0, stderr: '' });
    expect(replayed.stdout).toMatch(
      new RegExp(`^${first} replayed to ${subject} as replay-${first}-\\d+\n$`),
    );
    while ((await letters())[0] !== first + 1);
    expect(await run(`dead replay --reason order --yes -o json`)).toMatchObject({ exitCode: 0, stderr: '' });
    await success;
    expect(delivered.map(({ headers }) => headers['Outboard-Dead-Sequence'])).toEqual([undefined, '1', '1']);
    expect(await run(`dead drop ${first + 1}`)).toMatchObject({ exitCode: 1, stdout: '' });
    expect(await letters()).toEqual([]);
    // More than are read ahead, removed while they are read.
    const many = Array.from({ length: 600 }, (_, index) => `letter-${index}`);
    for (const messageId of many) {
      await service.publish(subjects.dead(subject), { headers: {}, body: Buffer.from('{}') }, { messageId });
    }
    const dropped = await run('dead drop -A --limit 599 --yes');
    expect(dropped.stdout.trimEnd().split('\n')).toHaveLength(599);
    expect(await letters()).toEqual([first + 601]);
    expect(dropped.stderr).toBe(`outboard: there are more: --from ${first + 601}\n`);
  });

  it('is refused without a seed, or with one that nobody knows', async () => {
    const stranger = join(folder, 'stranger');
    await generateCredentials(stranger, [roles.operator()]);
    for (const seed of [join(stranger, 'operator.seed'), join(stranger, 'none.seed')]) {
      const { exitCode, stderr } = await run(`get dpus --seed ${seed}`);
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/^outboard: .*\n {2}give the seed of a role that the server knows with --seed/);
    }
  });

  it('says so when no server is there', async () => {
    const { exitCode, stderr } = await run('get dpus --server nats://127.0.0.1:1 --timeout 1ms');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^outboard: NATS at nats:\/\/127\.0\.0\.1:1 cannot be reached.*\n {2}is the server there\?/,
    );
  });

  it('says so when what listens there never says a word, and ends', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port: number } = silent.address() as AddressInfo;
    try {
      const asked = await run(`get dpus --server nats://127.0.0.1:${number} --timeout 10ms`);
      expect(asked).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('cannot be reached: timeout'),
      });
    } finally {
      silent.close();
    }
  });

  it('ends quietly when nobody reads its output any more', async () => {
    const watching = new Command('watch networks -A');
    await run('apply -f -', list(network('seen')).input);
    await watching.shows('network/seen');
    watching.closeOutput();
    await run('delete -t acme network seen');
    await run('apply -f -', list(network('unseen')).input);
    expect(await watching.ended).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('ends when it is interrupted while it reads standard input', async () => {
    const applying = new Command('apply -f -', null);
    await applying.reads(' '.repeat(4 * 1024 * 1024));
    applying.interrupt();
    expect(await applying.ended).toEqual({ exitCode: 130, stdout: '', stderr: '' });
  });

  it('reads files', async () => {
    mkdirSync(join(folder, 'manifests'));
    writeFileSync(join(folder, 'manifests/a.json'), JSON.stringify(network('from-json')));
    writeFileSync(join(folder, 'manifests/b.yaml'), JSON.stringify(network('from-yaml')));
    expect((await run('apply -f manifests')).stdout).toBe(
      'network/from-json created\nnetwork/from-yaml created\n',
    );
  });
});
