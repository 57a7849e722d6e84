import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { showAcceleration } from '@outboard/acceleration-client/orchestrator';
import { AppError } from '@outboard/core';
import {
  connectivityMatrix,
  EchoServer,
  FrameCapture,
  FrameSender,
  type Pod,
  ping,
  tcpEcho,
  udpFrame,
} from '@outboard/testbed';
import { parseAllDocuments } from 'yaml';
import type { LocalStack } from './local-stack.js';
import type { Manifest, Workspace } from './workspace.js';

/** Tells what happens; one line each. */
export type Say = (line: string) => void;

const ECHO_PORT = 7000;
interface TenantTour {
  readonly workspace: Workspace;
  readonly pods: readonly Pod[];
}

/** Publishes the manifests of folders, one file a tenant, and proves with real packets what came of them. */
export async function tour(stack: LocalStack, examples: readonly string[], say: Say): Promise<void> {
  const tenants: TenantTour[] = [];
  for (const folder of examples)
    for (const file of readdirSync(folder).sort())
      tenants.push(await publish(stack, join(folder, file), say));
  for (const { metadata, status } of await stack.dpus())
    say(`${metadata.name} forwards with the driver ${status.driver}`);
  const servers = await Promise.all(
    tenants.flatMap(({ pods }) => pods.map((pod) => EchoServer.listen(pod, ECHO_PORT))),
  );
  try {
    for (const each of tenants) await showConnectivity(each, say);
    await showIsolation(tenants, say);
    const [first] = tenants;
    if (first) {
      await showFirstPacket(stack, first, say);
      await showAcceleration(() => stack.dpus(), first.workspace, say);
    }
  } finally {
    for (const server of servers) server[Symbol.dispose]();
  }
}

async function publish(stack: LocalStack, file: string, say: Say): Promise<TenantTour> {
  const manifests = parseAllDocuments(readFileSync(file, 'utf8')).map(
    (document) => document.toJS() as Manifest,
  );
  const tenant = (manifests[0]?.metadata as { tenant?: string } | undefined)?.tenant;
  if (tenant === undefined) throw new AppError('INVALID_ARGUMENT', `${file}: metadata.tenant: is required`);
  const workspace = await stack.workspace(tenant);
  const started = performance.now();
  await workspace.apply(...manifests);
  const ports = manifests.filter(({ kind }) => kind === 'Port').map(({ metadata }) => metadata.name);
  for (const name of ports) await workspace.ready(name);
  const milliseconds = (performance.now() - started).toFixed(0);
  say(
    `${tenant}: ${manifests.length} intents published, accepted, applied and read back in ${milliseconds} ms`,
  );
  const pods: Pod[] = [];
  for (const name of ports) {
    const pod = await workspace.connectPod(name);
    const { status } = await workspace.ready(name);
    say(`  pod ${pod.name} on ${status.dpu} (${status.representor}): ${pod.addresses.join(', ')}`);
    pods.push(pod);
  }
  return { workspace, pods };
}

/** Who reaches whom within a tenant, by ping (IPv4 and IPv6) and TCP. */
async function showConnectivity({ workspace, pods }: TenantTour, say: Say): Promise<void> {
  const matrix = await connectivityMatrix(pods);
  say(`${workspace.tenant}: connectivity by ping (IPv4 and IPv6) and TCP`);
  const width = Math.max(...pods.map(({ name }) => name.length));
  say(`  ${''.padEnd(width)}  ${pods.map(({ name }) => name.padEnd(width)).join('  ')}`);
  for (const from of pods) {
    const cells: string[] = [];
    for (const to of pods) {
      if (from === to) cells.push('-');
      else cells.push(matrix.reaches(from.name, to.name) && (await connects(from, to)) ? 'ok' : 'FAILED');
    }
    say(`  ${from.name.padEnd(width)}  ${cells.map((cell) => cell.padEnd(width)).join('  ')}`);
    if (cells.includes('FAILED')) throw new AppError('INTERNAL', `${from.name} does not reach every pod`);
  }
}

async function connects(from: Pod, to: Pod): Promise<boolean> {
  for (const ip of to.addresses) {
    const outcome = await tcpEcho(from, { ip, port: ECHO_PORT });
    if (outcome.kind !== 'echoed' || outcome.server !== to.name) return false;
  }
  return true;
}

/** The same addresses are answered by the own tenant's pods, and only by these. */
async function showIsolation(tenants: readonly TenantTour[], say: Say): Promise<void> {
  let tried = 0;
  for (const { workspace, pods } of tenants) {
    const own = new Set(pods.flatMap(({ addresses }) => addresses));
    const foreign = tenants
      .flatMap((other) => (other.workspace === workspace ? [] : other.pods))
      .flatMap(({ addresses }) => addresses)
      .filter((ip) => !own.has(ip));
    for (const ip of foreign) {
      const [from] = pods;
      if (!from) continue;
      tried++;
      const { received } = await ping(from, ip, { timeoutMilliseconds: 200 });
      if (received > 0) throw new AppError('INTERNAL', `${from.name} reaches ${ip} of another tenant`);
    }
  }
  say(
    `isolation: equal addresses are answered by the own tenant only, and ${tried} of another tenant are not reached`,
  );
}

/** From the moment an intent is published until the first packet reaches its pod. */
async function showFirstPacket(stack: LocalStack, { workspace, pods }: TenantTour, say: Say): Promise<void> {
  const [from] = pods;
  if (!from) return;
  const name = 'first-packet';
  // Left by a tour that did not end.
  if (workspace.port(name)) await workspace.delete('Port', name);
  // The pod is there before its port, as its address and MAC are given: only the network is missing.
  const macAddress = '02:00:5e:00:10:77';
  const ip = '10.0.1.77';
  const dpu = stack.testbed.dpu('dpu-b');
  // Whoever tries an example has the functions that it names, and still has them after the next start.
  const vfNumber = (await stack.freeFunctions('dpu-b')).at(-1);
  if (vfNumber === undefined) {
    say('first packet: not shown, as ports have all functions of dpu-b');
    return;
  }
  const pod = await stack.testbed.createPod({
    name: `${workspace.tenant}-first-packet`,
    host: dpu.host.name,
  });
  await pod.attach(dpu, vfNumber, { mtu: 1450, macAddress, addresses: [{ ip, prefixLength: 24 }] });
  // Raw frames: the sender's kernel would ask for the address first, and again only after a second.
  const sender = await FrameSender.open(from, 'eth0');
  const probe = udpFrame({
    sourceMac: (await workspace.ready(nameOfPort(workspace, from))).status.macAddress ?? '',
    destinationMac: macAddress,
    source: { ip: from.addresses[0] ?? '', port: 7001 },
    destination: { ip, port: 7001 },
    payload: Buffer.from('first packet'),
  });
  const ticker = setInterval(() => sender.send(probe), 1);
  let capture: FrameCapture | undefined;
  try {
    const { serialNumber, pfMacAddress } = dpu.plan;
    const arrived = new Promise<number>((resolve) => {
      FrameCapture.open(pod, 'eth0', (frame) => {
        const isProbe = frame.includes('first packet');
        if (isProbe) resolve(performance.now());
        return isProbe;
      }).then((opened) => {
        capture = opened;
      });
    });
    const published = performance.now();
    const answer = workspace.apply({
      kind: 'Port',
      metadata: { name },
      spec: {
        network: 'blue',
        function: { serialNumber, pfMacAddress, vfNumber },
        macAddress,
        addresses: [{ subnet: 'blue-v4', ip }],
      },
    });
    await answer;
    await workspace.ready(name);
    const milliseconds = (await arrived) - published;
    await workspace.delete('Port', name);
    say(
      `first packet: ${milliseconds.toFixed(1)} ms after the intent was published (1000 frames/s, across DPUs)`,
    );
  } finally {
    clearInterval(ticker);
    sender[Symbol.dispose]();
    capture?.[Symbol.dispose]();
  }
}

/** Pods are named after their ports, with the tenant in front. */
const nameOfPort = ({ tenant }: Workspace, { name }: Pod): string => name.slice(tenant.length + 1);
