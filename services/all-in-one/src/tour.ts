import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bus } from '@outboard/bus';
import { IntentPublisher, StateCache, TenantClient } from '@outboard/client';
import { subjects } from '@outboard/contracts';
import { AppError, unwrap } from '@outboard/core';
import { SimHost } from '@outboard/dataplane';
import {
  addressOf,
  type Dpu,
  decodeResource,
  findCondition,
  isReady,
  type KindName,
  type Port,
} from '@outboard/model';
import { parseAllDocuments } from 'yaml';
import type { Installation } from './installation.js';

/** Tells what happens; one line each. */
export type Say = (line: string) => void;

interface Manifest {
  readonly kind: KindName;
  readonly metadata: { readonly tenant: string; readonly name: string };
}

/** A pod behind a port's function, as the host's CNI would have made it. */
interface Pod {
  readonly name: string;
  readonly tenant: string;
  readonly addresses: readonly string[];
  readonly host: SimHost;
}

const READY_MILLISECONDS = 20_000;
const REQUEST_MILLISECONDS = 5_000;
const ECHO_PORT = 7_000;

/**
 * Publishes the manifests of folders, and shows with the frames of simulated pods what came of them. `lacking`: why no DPU hosts
 * acceleration.
 */
export async function tour(
  installation: Installation,
  examples: readonly string[],
  say: Say,
  lacking?: string,
): Promise<void> {
  const pods: Pod[] = [];
  for (const folder of examples)
    for (const file of readdirSync(folder).sort())
      pods.push(...(await publish(installation, join(folder, file), say)));
  for (const tenant of new Set(pods.map((pod) => pod.tenant)))
    showConnectivity(
      installation,
      pods.filter((pod) => pod.tenant === tenant),
      say,
    );
  showIsolation(installation, pods, say);
  const [first] = pods;
  if (lacking !== undefined) say(notShown(lacking));
  else if (first !== undefined) await accelerate(installation, first.tenant, say);
}

const notShown = (why: string): string => `acceleration: not shown, as ${why}`;

/** What applications have done by the engines of DPUs: those of this machine, which may lack some. */
async function accelerate(installation: Installation, tenant: string, say: Say): Promise<void> {
  const { LACKING_ENGINE, showAcceleration } = await import('@outboard/acceleration-client/orchestrator');
  const bus = installation.connect();
  const client = new TenantClient(await TenantClient.connect(tenant, bus));
  try {
    await showAcceleration(() => dpusOf(bus), client, say);
  } catch (failure) {
    if (!(failure instanceof AppError) || failure.reason !== LACKING_ENGINE) throw failure;
    say(notShown(failure.message));
  } finally {
    await client[Symbol.asyncDispose]();
  }
}

/** All DPUs, as the admin service knows them. */
export async function dpusOf(bus: Bus): Promise<readonly Dpu[]> {
  const request = { headers: {}, body: Buffer.from(JSON.stringify({ pageSize: 500 })) };
  const subject = subjects.rpc('_', 'admin', 'dpu', 'list');
  const reply = unwrap(await bus.request(subject, request, { deadlineMilliseconds: REQUEST_MILLISECONDS }));
  const { items } = JSON.parse(Buffer.from(reply.body).toString()) as { items: unknown[] };
  return items.map((item) => unwrap(decodeResource(item))).filter((each) => each.kind === 'Dpu');
}

async function publish(installation: Installation, file: string, say: Say): Promise<Pod[]> {
  const manifests = parseAllDocuments(readFileSync(file, 'utf8')).map(
    (document) => document.toJS() as Manifest,
  );
  const tenant = manifests[0]?.metadata.tenant;
  if (tenant === undefined) throw new AppError('INVALID_ARGUMENT', `${file}: metadata.tenant: is required`);
  const bus = installation.connect();
  const publisher = await IntentPublisher.open(bus, tenant);
  const state = await StateCache.open(bus, tenant);
  try {
    const started = performance.now();
    for (const manifest of manifests)
      unwrap(await publisher.submit(addressOf(manifest), Buffer.from(JSON.stringify(manifest))));
    const ports: Port[] = [];
    for (const manifest of manifests.filter(({ kind }) => kind === 'Port'))
      ports.push(await ready(state, manifest));
    const milliseconds = (performance.now() - started).toFixed(0);
    say(
      `${tenant}: ${manifests.length} intents published, accepted, applied and read back in ${milliseconds} ms`,
    );
    return ports.map((port) => connectPod(installation, port, say));
  } finally {
    await publisher[Symbol.asyncDispose]();
    await state[Symbol.asyncDispose]();
    await bus[Symbol.asyncDispose]();
  }
}

/** Throws with what the port's status says where it is not ready in time. */
async function ready(state: StateCache, manifest: Manifest): Promise<Port> {
  const { tenant, name } = manifest.metadata;
  const port = (): Port | undefined => {
    const found = state.get(addressOf(manifest));
    return found?.kind === 'Port' ? found : undefined;
  };
  const what = `Port ${tenant}/${name} is ready`;
  try {
    return await state.until(
      what,
      () => {
        const found = port();
        return found !== undefined && isReady(found.status.conditions) ? found : undefined;
      },
      READY_MILLISECONDS,
    );
  } catch (failure) {
    const { reason, message } = findCondition(port()?.status.conditions ?? [], 'Ready') ?? {};
    if (!(failure instanceof AppError) || reason === undefined) throw failure;
    throw new AppError(failure.code, `${failure.message}: it is not: ${reason}: ${message}`);
  }
}

function connectPod({ fabric }: Installation, { metadata, status }: Port, say: Say): Pod {
  const { dpu = '', representor = '', macAddress = '', addresses } = status;
  const host = new SimHost({
    macAddress,
    addresses,
  });
  fabric.attach(dpu, representor, host);
  const pod = {
    name: `${metadata.tenant}-${metadata.name}`,
    tenant: metadata.tenant ?? '',
    addresses: addresses.map(({ ip }) => ip),
    host,
  };
  say(`  pod ${pod.name} on ${dpu} (${representor}): ${pod.addresses.join(', ')}`);
  return pod;
}

/** Who reaches whom within a tenant, by ping and TCP, by IPv4 and IPv6. */
function showConnectivity({ fabric }: Installation, pods: readonly Pod[], say: Say): void {
  const [first] = pods;
  if (first === undefined) return;
  say(`${first.tenant}: connectivity by ping and TCP (IPv4 and IPv6)`);
  const width = Math.max(...pods.map(({ name }) => name.length));
  const row = (head: string, cells: readonly string[]): string =>
    `  ${head.padEnd(width)}  ${cells.map((cell) => cell.padEnd(width)).join('  ')}`;
  say(
    row(
      '',
      pods.map(({ name }) => name),
    ),
  );
  for (const from of pods) {
    const cells = pods.map((to) => {
      if (from === to) return '-';
      const outcomes = to.addresses.flatMap((destination) =>
        (['ICMP', 'TCP'] as const).map((protocol) =>
          fabric.probe(from.host, { destination, protocol, port: ECHO_PORT }),
        ),
      );
      return outcomes.every(({ answered }) => answered) ? 'ok' : 'FAILED';
    });
    say(row(from.name, cells));
    if (cells.includes('FAILED')) throw new AppError('INTERNAL', `${from.name} does not reach every pod`);
  }
}

/** What only another tenant has is not reached. */
function showIsolation({ fabric }: Installation, pods: readonly Pod[], say: Say): void {
  let tried = 0;
  for (const from of pods) {
    const own = new Set(pods.filter(({ tenant }) => tenant === from.tenant).flatMap((pod) => pod.addresses));
    const foreign = pods.flatMap(({ addresses }) => addresses).filter((ip) => !own.has(ip));
    for (const destination of foreign) {
      tried++;
      if (fabric.probe(from.host, { destination, protocol: 'ICMP' }).arrived)
        throw new AppError('INTERNAL', `${from.name} reaches ${destination} of another tenant`);
    }
  }
  say(`isolation: ${tried} probes to addresses that only another tenant has reached nobody`);
}
