import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Manifest } from '@outboard/local-stack';
import { EchoServer, type Pod, type Program } from '@outboard/testbed';
import { parseAllDocuments } from 'yaml';
import { buildPlugin } from './plugin.js';
import { makeRootFileSystem } from './root-file-system.js';
import { mustRunIn, runIn } from './run.js';
import { CniWorld } from './world.js';

const HOST = 'host-dpu-a';
const EXAMPLES = fileURLToPath(new URL('../../examples/cni/', import.meta.url));
const CONFLIST = '10-outboard.conflist';
const PORT = 8080;

/** Debian's podman and containerd, with the plugin, the network configuration and the manifests of examples/cni. */
describe('container runtimes', () => {
  let world: CniWorld;
  let directory: string;
  let environment: Record<string, string> = {};
  let peer: Pod;
  let server: EchoServer;

  beforeAll(async () => {
    world = await CniWorld.start({
      name: 'cni-clients',
      functions: 8,
      configuration: { network: 'pods' },
      environment: { OUTBOARD_TENANTS: '_=acme' },
    });
    const documents = parseAllDocuments(readFileSync(join(EXAMPLES, 'acme.yaml'), 'utf8'));
    await world.acme.apply(...documents.map((document) => document.toJS() as Manifest));
    // podman allows 50 characters.
    directory = mkdtempSync(join(tmpdir(), 'ob-cni-'));
    for (const folder of ['net.d', 'bin']) mkdirSync(join(directory, folder));
    copyFileSync(join(EXAMPLES, CONFLIST), join(directory, 'net.d', CONFLIST));
    // Not by a variable: what podman starts to clean up after a container has none of its variables.
    buildPlugin(join(directory, 'bin'), world.stack.stack.agentSocket(HOST));
    // On the other host, and what the containers' policy is about: example's `web`.
    peer = await world.createPod('host-dpu-b');
    await world.runtimeOf(peer).add(peer, { configuration: { labels: { app: 'web' } } });
    server = await EchoServer.listen(peer, PORT);
  }, 60_000);

  afterEach(async () => {
    const [left, ...more] = (await world.ports()).filter(({ status }) => status.dpu === 'dpu-a');
    expect([left?.metadata.name, more.length]).toEqual([undefined, 0]);
  });

  afterAll(async () => {
    server?.[Symbol.dispose]();
    if (peer !== undefined) {
      await world.runtimeOf(peer).delete(peer);
      await world.nothingIsLeft();
    }
    await world?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  const inHost = (...command: [string, ...string[]]) =>
    mustRunIn(world.stack.testbed.host(HOST).namespace, command, environment);

  describe('podman', () => {
    let podman: [string, ...string[]];
    const root = (): string => makeRootFileSystem(mkdtempSync(join(directory, 'root-')));

    beforeAll(() => {
      const configuration = join(directory, 'containers.conf');
      // Without CAP_SYS_RESOURCE limits cannot be raised; nothing may ask systemd for anything.
      const text = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "cni"
cni_plugin_dirs = ["${directory}/bin"]
network_config_dir = "${directory}/net.d"
`;
      writeFileSync(configuration, text);
      environment = { ...environment, CONTAINERS_CONF: configuration };
      const storage = ['--root', join(directory, 'storage'), '--runroot', join(directory, 'run')];
      podman = ['podman', ...storage, '--tmpdir', join(directory, 'tmp'), '--storage-driver', 'vfs'];
    });

    it('runs a container whose interface is a port of the network, with the address that was asked for', async () => {
      const script = 'ip -4 -o addr show eth0; ip route; cat /sys/class/net/eth0/address';
      const said = await inHost(
        ...podman,
        ...[
          'run',
          '--rm',
          '--network',
          'outboard',
          '--ip',
          '10.244.7.7',
          '--mac-address',
          '02:00:5e:00:07:07',
        ],
        ...['--rootfs', root(), '/bin/sh', '-c', script],
      );
      expect(said).toContain('inet 10.244.7.7/16');
      expect(said).toContain('default via 10.244.0.1 dev eth0');
      expect(said).toContain('02:00:5e:00:07:07');
    }, 60_000);

    it('stops a container that runs, and starts it again', async () => {
      const name = 'long';
      await inHost(
        ...podman,
        ...[
          'run',
          '--detach',
          '--name',
          name,
          '--network',
          'outboard',
          '--rootfs',
          root(),
          '/bin/sleep',
          '600',
        ],
      );
      const addressOf = async (): Promise<string> => {
        const format = '{{(index .NetworkSettings.Networks "outboard").IPAddress}}';
        return (await inHost(...podman, 'inspect', '--format', format, name)).trim();
      };
      // Its policy is the default: it accepts nothing. What it opens is answered.
      const [port] = (await world.ports()).filter(({ status }) => status.dpu === 'dpu-a');
      expect(port?.status.addresses.map(({ ip }) => ip as string)).toContain(await addressOf());
      await inHost(...podman, 'stop', '--time', '0', name);
      expect(await world.devicesOf(HOST)).toHaveLength(9);
      await inHost(...podman, 'start', name);
      expect(await world.devicesOf(HOST)).toHaveLength(8);
      await inHost(...podman, 'rm', '--force', '--time', '0', name);
      expect(await world.devicesOf(HOST)).toHaveLength(9);
    }, 60_000);

    it('is told why a container cannot be connected, and leaves nothing', async () => {
      const list = readFileSync(join(EXAMPLES, CONFLIST), 'utf8').replace('"pods"', '"nowhere"');
      writeFileSync(
        join(directory, 'net.d/20-wrong.conflist'),
        list.replace('"name": "outboard"', '"name": "wrong"'),
      );
      const { exitCode, stderr } = await runIn(
        world.stack.testbed.host(HOST).namespace,
        [...podman, 'run', '--rm', '--network', 'wrong', '--rootfs', root(), '/bin/sh'],
        environment,
      );
      expect(exitCode).not.toBe(0);
      expect(stderr).toContain('network nowhere does not exist');
      expect(await world.devicesOf(HOST)).toHaveLength(9);
    }, 60_000);
  });

  describe('containerd', () => {
    let daemon: Program;
    let socket: string;

    beforeAll(async () => {
      socket = join(directory, 'containerd.sock');
      const configuration = join(directory, 'containerd.toml');
      const text = `version = 2
root = "${directory}/containerd-root"
state = "${directory}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${socket}"
`;
      writeFileSync(configuration, text);
      daemon = world.stack.testbed.program(world.stack.testbed.host(HOST), {
        name: 'containerd',
        command: ['containerd', '--config', configuration],
        environment,
        isReady: (line) => line.includes('containerd successfully booted'),
      });
      await daemon.start();
    }, 30_000);

    afterAll(async () => {
      await daemon?.stop();
    });

    it('runs a container that reaches what the policies let it reach', async () => {
      const root = makeRootFileSystem(join(directory, 'root-ctr'));
      const ip =
        (await world.ports()).find(({ status }) => status.dpu === 'dpu-b')?.status.addresses[0]?.ip ?? '';
      // ctr knows one place for networks and one for plugins: it gets a file system with these.
      const places = `mount -t tmpfs tmpfs /opt && mkdir -p /opt/cni/bin && cp ${directory}/bin/outboard /opt/cni/bin &&
        mkdir -p /opt/net.d && cp ${directory}/net.d/${CONFLIST} /opt/net.d && mkdir -p /etc/cni/net.d && mount --bind /opt/net.d /etc/cni/net.d`;
      const script = `ip -4 -o addr show eth0; echo hello | nc -w 3 ${ip} ${PORT}; echo "ended $?"`;
      const run = `exec ctr --address ${socket} run --rm --cni --rootfs ${root} one /bin/sh -c '${script}'`;
      const call = (): Promise<string> => inHost('unshare', '--mount', 'sh', '-c', `${places} && ${run}`);
      expect(await call()).toMatch(/inet 10\.244\.\d+\.\d+\/16[\s\S]*ended 1/);
      await world.acme.apply({
        kind: 'SecurityPolicy',
        metadata: { name: 'containers' },
        spec: {
          portSelector: { matchLabels: { app: 'web' } },
          ingress: [{ services: [{ protocol: 'TCP', port: PORT }] }],
        },
      });
      expect(await call()).toMatch(/hello[\s\S]*ended 0/);
    }, 60_000);
  });
});
