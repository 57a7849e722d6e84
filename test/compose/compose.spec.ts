import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Bus, connectNats, inboxPrefixOf, roles } from '@outboard/bus';
import { IntentPublisher } from '@outboard/client';
import { unwrap } from '@outboard/core';
import { NetworkNamespace } from '@outboard/ffi';
import { addressOf } from '@outboard/model';
import { Forwarder } from '@outboard/testbed';
import { COMPOSE_FILE, ComposeStack, eventually } from './compose-stack.js';
import { DockerEngine } from './docker-engine.js';

const START_MILLISECONDS = 300_000;
const TEST_MILLISECONDS = 120_000;
/** Of capability(7). */
const CAPABILITIES = { NET_ADMIN: 12, NET_RAW: 13, SYS_CHROOT: 18, SYS_ADMIN: 21 };
const NKEY_SEED = /SU[A-Z2-7]{56}/;

/** A resource as the command prints it. */
interface Resource {
  readonly kind: string;
  readonly metadata: {
    readonly tenant: string;
    readonly name: string;
    readonly uid: string;
    readonly generation: number;
  };
  readonly status: {
    readonly addresses?: readonly { readonly ip: string }[];
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
  };
}

let engine: DockerEngine;
let stack: ComposeStack;
const before = ownDevices();

/** Devices such as engines make, in the machine's own network. */
function ownDevices(): string[] {
  const names = readFileSync('/proc/thread-self/net/dev', 'utf8').match(/^ *[^ :]+(?=:)/gm) ?? [];
  return names.map((name) => name.trim()).filter((name) => /^(br-|docker|veth)/.test(name));
}

const capabilities = (names: readonly (keyof typeof CAPABILITIES)[]): string =>
  names
    .reduce((mask, name) => mask | (1n << BigInt(CAPABILITIES[name])), 0n)
    .toString(16)
    .padStart(16, '0');

const resources = async (): Promise<readonly Resource[]> =>
  (JSON.parse(await stack.outboard(['get', 'all', '-A', '-o', 'json'])) as { items: Resource[] }).items;

const isReady = ({ status }: Resource): boolean =>
  status.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True');

/** The addresses of a tenant's port. */
function addressesOf(all: readonly Resource[], tenant: string, port: string): readonly string[] {
  const found = all.find(
    ({ kind, metadata }) => kind === 'Port' && metadata.tenant === tenant && metadata.name === port,
  );
  return found?.status.addresses?.map(({ ip }) => ip) ?? [];
}

/** A pod exists once its port is ready and its function is in it. */
const podExists = (dpu: string, pod: string): Promise<void> =>
  eventually(`${pod} on ${dpu}`, async () =>
    (await stack.exec(dpu, 'ls', '/run/netns')).split('\n').includes(pod)
      ? undefined
      : 'there is no such pod',
  );

const answers = (dpu: string, pod: string, address: string): Promise<void> =>
  eventually(`${address} answers ${pod}`, async () =>
    (await stack.pings(dpu, pod, address)) ? undefined : 'no answer',
  );

/** Packets that have arrived over the fabric. */
const fabricPackets = async (dpu: string): Promise<number> =>
  Number(await stack.exec(dpu, 'cat', '/sys/class/net/up0/statistics/rx_packets'));

const portOf = (
  name: string,
  serialNumber: string,
  pfMacAddress: string,
  vfNumber: number,
  ip: string,
): object => ({
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'Port',
  metadata: { tenant: 'acme', name },
  spec: {
    network: 'blue',
    function: { serialNumber, pfMacAddress, vfNumber },
    addresses: [{ subnet: 'blue-v4', ip }],
  },
});

/** For node in a pod: DHCPDISCOVER (RFC 2131) of the pod's device; tells the address that it is offered. */
const DISCOVER = `
  const [{ mac }] = Object.values(require('node:os').networkInterfaces()).flat().filter((each) => !each.internal);
  const question = Buffer.alloc(244);
  question.set([1, 1, 6]);
  question.write(mac.replaceAll(':', ''), 28, 'hex');
  question.set([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255], 236);
  // Of this pod's network: the client's port needs a right that the container has not.
  require('node:fs').writeFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', '68');
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (answer) => process.exit(console.log(answer.subarray(16, 20).join('.'))));
  socket.bind(68, () => {
    socket.setBroadcast(true);
    socket.send(question, 67, '255.255.255.255', (failure) => {
      if (failure) throw failure;
    });
  });
  setTimeout(() => process.exit(1), 3000);`;

/** Packets that flow from one pod to another, 50 a second, until they are counted. */
class Flow {
  private constructor(private readonly finished: Promise<string>) {}

  static async start(from: string, to: string): Promise<Flow> {
    const script = `echo $$ >/tmp/flow; exec ip netns exec ${from} ping -i 0.02 ${to}`;
    let seen = '';
    const { environment } = stack.engine;
    const id = (await stack.containers()).get('dpu-a')?.Id ?? '';
    const child = spawn('docker', ['exec', id, 'sh', '-c', script], { env: environment });
    child.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
    });
    const finished = new Promise<string>((resolve) => child.once('close', () => resolve(seen)));
    await eventually(`packets from ${from} to ${to}`, async () =>
      seen.includes('icmp_seq=10 ') ? undefined : seen,
    );
    return new Flow(finished);
  }

  /** Ends it. Of the packets that were sent, how many were not answered? The last may have been on its way. */
  async end(): Promise<{ readonly sent: number; readonly lost: number }> {
    await stack.exec('dpu-a', 'sh', '-c', 'kill -INT $(cat /tmp/flow)');
    const summary = /(\d+) packets transmitted, (\d+) received/.exec(await this.finished);
    const [sent, received] = [Number(summary?.[1]), Number(summary?.[2])];
    return { sent, lost: sent - received };
  }
}

/** Kills a service's process as the kernel would, and waits until its restart policy has brought it back. */
async function crash(service: string, container: string): Promise<void> {
  const restarts = async (): Promise<number> => (await stack.containers()).get(service)?.RestartCount ?? 0;
  const before = await restarts();
  const kill = `for each in /proc/[0-9]*; do
    case $(cat $each/cmdline) in node*/${service.replace(/-[ab]$/, '')}/dist/main.js) kill -KILL \${each#/proc/};; esac
  done`;
  await stack.exec(container, 'sh', '-c', kill);
  await eventually(`${service} is started again`, async () =>
    (await restarts()) > before ? undefined : 'it is not',
  );
}

beforeAll(async () => {
  engine = await DockerEngine.start();
  stack = new ComposeStack(engine);
  await stack.build();
  await stack.compose('up', '--detach');
  await stack.healthy();
}, START_MILLISECONDS);

afterAll(async () => {
  await engine?.dispose();
}, TEST_MILLISECONDS);

describe('the stack of docker-compose.yml', () => {
  it('gives every process the rights that it needs, and no more', async () => {
    const none = { user: '1000', capabilities: capabilities([]) };
    const dpu = { user: '0', capabilities: capabilities(['NET_ADMIN', 'SYS_ADMIN']) };
    const worker = {
      user: '0',
      capabilities: capabilities(['NET_ADMIN', 'NET_RAW', 'SYS_ADMIN', 'SYS_CHROOT']),
    };
    const rights = {
      ...{ nats: none, admin: none, 'network-intent': none, 'acceleration-broker': none },
      ...{ 'dpu-a': dpu, 'dpu-b': dpu, 'dataplane-worker-a': worker, 'dataplane-worker-b': worker },
    };
    for (const [service, expected] of Object.entries(rights)) {
      // A command in a container has the container's rights.
      const status = await stack.exec(service, 'cat', '/proc/self/status');
      const field = (name: string): string | undefined =>
        new RegExp(`^${name}:\\s+(\\w+)`, 'm').exec(status)?.[1];
      const found = { user: field('Uid'), capabilities: field('CapBnd') };
      expect({ service, ...found, escalates: field('NoNewPrivs') }).toEqual({
        service,
        ...expected,
        escalates: '1',
      });
      expect(field('Seccomp')).toBe('2');
    }
    for (const { HostConfig } of (await stack.containers()).values()) {
      expect(HostConfig).toMatchObject({ Privileged: false, ReadonlyRootfs: true });
    }
  });

  it('has no secret in the file or in a container; every process finds its own seed and no other', async () => {
    expect(readFileSync(COMPOSE_FILE, 'utf8')).not.toMatch(NKEY_SEED);
    expect(JSON.stringify([...(await stack.containers()).values()])).not.toMatch(NKEY_SEED);
    const seeds = async (service: string): Promise<string[]> =>
      (await stack.exec(service, 'ls', '/credentials')).trim().split('\n');
    expect(await seeds('admin')).toEqual(['admin.seed']);
    expect(await seeds('network-intent')).toEqual(['network-intent.seed']);
    expect(await seeds('acceleration-broker')).toEqual(['acceleration-broker.seed']);
    expect(await seeds('dpu-a')).toEqual(['host-dpu-a.seed', 'worker-dpu-a.seed']);
    expect(await seeds('dpu-b')).toEqual(['host-dpu-b.seed', 'worker-dpu-b.seed']);
    await expect(stack.exec('nats', 'ls', '/credentials')).rejects.toThrow();
  });

  it(
    'connects the pods of two tenants with the same addresses, on one DPU and across the fabric',
    async () => {
      await stack.outboard(['apply', '-f', 'examples/two-tenants']);
      for (const tenant of ['acme', 'globex']) {
        await podExists('dpu-a', `${tenant}.web-0`);
        await podExists('dpu-a', `${tenant}.web-1`);
        await podExists('dpu-b', `${tenant}.db-0`);
      }
      const all = await resources();
      const unanswered: string[] = [];
      for (const tenant of ['acme', 'globex']) {
        for (const port of ['web-1', 'db-0']) {
          const addresses = addressesOf(all, tenant, port);
          expect(addresses).toHaveLength(2);
          for (const address of addresses) {
            if (!(await stack.pings('dpu-a', `${tenant}.web-0`, address)))
              unanswered.push(`${tenant} ${address}`);
          }
        }
      }
      expect(unanswered).toEqual([]);
      // What crosses DPUs crosses the fabric; what does not, does not.
      const count = ['ping', '-c', '100', '-i', '0.01', '-w', '10'];
      const start = await fabricPackets('dpu-b');
      await stack.inPod('dpu-a', 'acme.web-0', ...count, '10.0.1.12');
      expect((await fabricPackets('dpu-b')) - start).toBeLessThan(50);
      await stack.inPod('dpu-a', 'acme.web-0', ...count, '10.0.1.21');
      expect((await fabricPackets('dpu-b')) - start).toBeGreaterThanOrEqual(100);
    },
    TEST_MILLISECONDS,
  );

  it(
    'keeps the tenants apart',
    async () => {
      const serve = (tenant: string): Promise<string> => {
        const program = `require('node:net').createServer((peer) => peer.end('${tenant}')).listen(7000)`;
        return stack.exec('dpu-b', 'sh', '-c', `ip netns exec ${tenant}.db-0 node -e "${program}" &`);
      };
      await Promise.all(['acme', 'globex'].map(serve));
      const ask = `require('node:net').connect(7000, '10.0.1.21').on('data', (text) => console.log(String(text)))`;
      for (const tenant of ['acme', 'globex']) {
        await eventually(`the server of ${tenant}`, async () => {
          const answer = await stack.inPod('dpu-a', `${tenant}.web-0`, 'node', '-e', ask).catch(String);
          return answer.trim() === tenant ? undefined : answer;
        });
      }
      // An address that one tenant has and the other has not.
      const [alone = ''] = addressesOf(await resources(), 'globex', 'cache-0');
      expect(await stack.pings('dpu-a', 'globex.web-0', alone)).toBe(true);
      expect(await stack.pings('dpu-a', 'acme.web-0', alone)).toBe(false);
    },
    TEST_MILLISECONDS,
  );

  it(
    'tells a pod that asks by DHCP the address of its port',
    async () => {
      await stack.outboard(['apply', '-f', 'examples/addresses']);
      await podExists('dpu-a', 'acme.lab-db');
      await podExists('dpu-b', 'acme.lab-app');
      // No router leads out of the network: the pod has no default route, by which a question to all would go.
      await stack.inPod('dpu-a', 'acme.lab-db', 'ip', 'route', 'add', '255.255.255.255', 'dev', 'eth0');
      await eventually('an offer of 10.4.0.10', async () => {
        const offer = await stack.inPod('dpu-a', 'acme.lab-db', 'node', '-e', DISCOVER).catch(String);
        return offer.trim() === '10.4.0.10' ? undefined : offer;
      });
    },
    TEST_MILLISECONDS,
  );

  it(
    'loses no packet and no resource when services, workers and the bus are restarted or crash',
    async () => {
      const identities = async (): Promise<string[]> =>
        (await resources()).map(({ kind, metadata: { tenant, name, uid, generation } }) =>
          [kind, tenant, name, uid, generation].join(' '),
        );
      const known = await identities();
      expect(known.length).toBeGreaterThan(10);
      const flow = await Flow.start('acme.web-0', '10.0.1.21');
      await stack.compose(
        'restart',
        'admin',
        'network-intent',
        'acceleration-broker',
        'dataplane-worker-a',
        'dataplane-worker-b',
      );
      await stack.compose('restart', 'nats');
      await stack.healthy();
      await crash('network-intent', 'network-intent');
      await crash('dataplane-worker-a', 'dpu-a');
      await stack.healthy();
      const { sent, lost } = await flow.end();
      expect(sent).toBeGreaterThan(500);
      expect(lost).toBeLessThanOrEqual(1);
      expect(await identities()).toEqual(known);
      expect((await resources()).filter((each) => !isReady(each))).toEqual([]);
    },
    TEST_MILLISECONDS,
  );

  it(
    'takes an intent from a client on this machine while network-intent is away, and does it afterwards',
    async () => {
      const { name } = roles.orchestrator('acme');
      const file = `/credentials/${name}.seed`;
      const seed = await stack.compose(
        'run',
        '--rm',
        '--no-deps',
        '-T',
        '--entrypoint',
        'cat',
        'outboard',
        file,
      );
      const namespace = NetworkNamespace.open({ pid: engine.pid });
      const port = await Forwarder.listen({ namespace, destination: { ip: '127.0.0.1', port: 4222 } });
      let bus: Bus | undefined;
      try {
        bus = await connectNats({
          servers: `nats://127.0.0.1:${port.port}`,
          name,
          seed: Buffer.from(seed),
          inboxPrefix: inboxPrefixOf({ name }),
        });
        const publisher = await IntentPublisher.open(bus, 'acme');
        await stack.compose('stop', 'network-intent');
        const manifest = portOf('late', 'OB-SIM-0001', '02:0b:00:00:01:00', 8, '10.0.1.98');
        const address = addressOf({ kind: 'Port', metadata: { tenant: 'acme', name: 'late' } });
        const answer = publisher.submit(address, Buffer.from(JSON.stringify(manifest)));
        await stack.compose('start', 'network-intent');
        expect(unwrap(await answer).metadata.name).toBe('late');
        await podExists('dpu-a', 'acme.late');
        await answers('dpu-b', 'acme.db-0', '10.0.1.98');
        await publisher[Symbol.asyncDispose]();
      } finally {
        await bus?.[Symbol.asyncDispose]();
        await port.close();
        namespace.close();
      }
    },
    TEST_MILLISECONDS,
  );

  it(
    'realises a DPU anew that has rebooted',
    async () => {
      await stack.compose('restart', 'dpu-a');
      // Its worker ended with it. `up` starts what is not running.
      await stack.compose('up', '--detach');
      await stack.healthy();
      await podExists('dpu-a', 'acme.web-0');
      await answers('dpu-a', 'acme.web-0', '10.0.1.21');
      await answers('dpu-a', 'globex.web-0', '10.0.1.12');
    },
    TEST_MILLISECONDS,
  );

  it(
    'leaves nothing behind: no container, volume or network, and with its engine nothing on the machine',
    async () => {
      await stack.compose('down', '--volumes');
      expect(await engine.docker('ps', '--all', '--quiet')).toBe('');
      expect(await engine.docker('volume', 'ls', '--quiet')).toBe('');
      expect(await engine.docker('network', 'ls', '--quiet', '--filter', 'type=custom')).toBe('');
      const namespace = NetworkNamespace.open({ pid: engine.pid });
      expect(namespace.run(() => ownDevices())).toEqual(['docker0']);
      namespace.close();
      await engine.dispose();
      expect(existsSync(engine.directory)).toBe(false);
      expect(ownDevices()).toEqual(before);
    },
    TEST_MILLISECONDS,
  );
});
