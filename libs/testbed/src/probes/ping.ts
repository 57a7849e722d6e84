import type { Endpoint } from '../places.js';
import { type IpVersion, versionOf } from '../sockets.js';
import { type EchoOutcome, IcmpSocket } from './icmp-socket.js';
import { DEADLINE_MILLISECONDS, mapConcurrently, waitUntil } from './wait.js';

const PAYLOAD_BYTES = 56;
const TIMEOUT_MILLISECONDS = 1000;
/** Of one attempt while something is awaited: short, so that success is seen soon. */
const ATTEMPT_MILLISECONDS = 250;
/** Of a matrix: enough to hide the waiting, few enough for the sockets' buffers. */
const IN_FLIGHT = 128;

export interface PingOptions {
  /** Default 1. The next is sent when the one before was answered or timed out. */
  readonly count?: number;
  /** Behind the ICMP header, as ping(8)'s -s; default 56. A packet is 28 bytes longer (IPv4) or 48 (IPv6). */
  readonly payloadBytes?: number;
  readonly doNotFragment?: boolean;
  /** Of each; default 1000. */
  readonly timeoutMilliseconds?: number;
}

export interface PingReport {
  readonly sent: number;
  readonly received: number;
  /** In order; one per request. */
  readonly outcomes: readonly EchoOutcome[];
}

/** Pings an address from an endpoint. */
export async function ping(from: Endpoint, ip: string, options: PingOptions = {}): Promise<PingReport> {
  const socket = new IcmpSocket(from.namespace, versionOf(ip), options);
  const payloadBytes = options.payloadBytes ?? PAYLOAD_BYTES;
  const timeoutMilliseconds = options.timeoutMilliseconds ?? TIMEOUT_MILLISECONDS;
  const outcomes: EchoOutcome[] = [];
  try {
    while (outcomes.length < (options.count ?? 1)) {
      outcomes.push(await socket.echo(ip, payloadBytes, timeoutMilliseconds));
    }
  } finally {
    socket[Symbol.dispose]();
  }
  const received = outcomes.filter((outcome) => outcome.kind === 'reply').length;
  return { sent: outcomes.length, received, outcomes };
}

/** Waits until one ping is answered. Throws AppError DEADLINE_EXCEEDED with what happened instead. */
export const waitReachable = (
  from: Endpoint,
  ip: string,
  options: PingOptions & { readonly deadlineMilliseconds?: number } = {},
): Promise<void> =>
  waitUntil(
    `${from.name} reaches ${ip}`,
    () =>
      pingOnce(from, ip, options).then((outcome) => (outcome.kind === 'reply' ? undefined : tell(outcome))),
    options.deadlineMilliseconds ?? DEADLINE_MILLISECONDS,
  );

/** Waits until one ping is not answered. Throws AppError DEADLINE_EXCEEDED. */
export const waitUnreachable = (
  from: Endpoint,
  ip: string,
  options: PingOptions & { readonly deadlineMilliseconds?: number } = {},
): Promise<void> =>
  waitUntil(
    `${from.name} does not reach ${ip}`,
    () => pingOnce(from, ip, options).then((outcome) => (outcome.kind === 'reply' ? 'it does' : undefined)),
    options.deadlineMilliseconds ?? DEADLINE_MILLISECONDS,
  );

async function pingOnce(from: Endpoint, ip: string, options: PingOptions): Promise<EchoOutcome> {
  const { outcomes } = await ping(from, ip, {
    timeoutMilliseconds: ATTEMPT_MILLISECONDS,
    ...options,
    count: 1,
  });
  return outcomes[0] ?? { kind: 'timeout' };
}

/** One line about an outcome. */
export function tell(outcome: EchoOutcome): string {
  switch (outcome.kind) {
    case 'reply':
      return `answered after ${outcome.milliseconds.toFixed(3)} ms`;
    case 'timeout':
      return 'no answer';
    case 'unreachable':
      return outcome.mtu === undefined ? outcome.reason : `${outcome.reason}, MTU ${outcome.mtu}`;
    case 'unsent':
      return outcome.code;
  }
}

export interface MatrixEntry {
  readonly from: string;
  readonly to: string;
  readonly ip: string;
  readonly outcome: EchoOutcome;
}

/** Who reaches whom. */
export class ConnectivityMatrix {
  constructor(readonly entries: readonly MatrixEntry[]) {}

  /** Whether every address of `to` that `from` can try (same IP versions) answered; false if there is none. */
  reaches(from: string, to: string): boolean {
    const own = this.entries.filter((entry) => entry.from === from && entry.to === to);
    return own.length > 0 && own.every(({ outcome }) => outcome.kind === 'reply');
  }

  /** `web-0 -> db-0 (10.0.1.6): no answer`, one line for each that did not answer. */
  get failures(): readonly string[] {
    return this.entries
      .filter(({ outcome }) => outcome.kind !== 'reply')
      .map(({ from, to, ip, outcome }) => `${from} -> ${to} (${ip}): ${tell(outcome)}`);
  }
}

/**
 * Pings every address of every endpoint from every other that has an address of the same IP version, all at once from
 * one process. A pair that does not answer is tried once more. The kernel keeps `net.ipv4.neigh.default.gc_thresh3`
 * neighbours (1,024 by default) for all namespaces together: a mesh of more than 32 endpoints on one network needs more.
 */
export async function connectivityMatrix(
  endpoints: readonly Endpoint[],
  options: Omit<PingOptions, 'count'> = {},
): Promise<ConnectivityMatrix> {
  const payloadBytes = options.payloadBytes ?? PAYLOAD_BYTES;
  const timeoutMilliseconds = options.timeoutMilliseconds ?? TIMEOUT_MILLISECONDS;
  const sockets: IcmpSocket[] = [];
  const pairs: {
    readonly socket: IcmpSocket;
    readonly from: string;
    readonly to: string;
    readonly ip: string;
  }[] = [];
  try {
    for (const from of endpoints) {
      const own = new Map<IpVersion, IcmpSocket>();
      for (const version of new Set(from.addresses.map(versionOf))) {
        const socket = new IcmpSocket(from.namespace, version, options);
        sockets.push(socket);
        own.set(version, socket);
      }
      for (const to of endpoints) {
        if (to === from) continue;
        for (const ip of to.addresses) {
          const socket = own.get(versionOf(ip));
          if (socket !== undefined) pairs.push({ socket, from: from.name, to: to.name, ip });
        }
      }
    }
    const entries = await mapConcurrently(pairs, IN_FLIGHT, async ({ socket, from, to, ip }) => {
      const attempt = (): Promise<EchoOutcome> => socket.echo(ip, payloadBytes, timeoutMilliseconds);
      const first = await attempt();
      return { from, to, ip, outcome: first.kind === 'reply' ? first : await attempt() };
    });
    return new ConnectivityMatrix(entries);
  } finally {
    for (const socket of sockets) socket[Symbol.dispose]();
  }
}

/** Waits until every endpoint reaches every other. Throws AppError DEADLINE_EXCEEDED with the pairs that do not. */
export const waitConnected = (
  endpoints: readonly Endpoint[],
  deadlineMilliseconds = DEADLINE_MILLISECONDS,
): Promise<void> =>
  waitUntil(
    `${endpoints.length} endpoints reach one another`,
    async () => {
      const matrix = await connectivityMatrix(endpoints, { timeoutMilliseconds: ATTEMPT_MILLISECONDS });
      const { failures } = matrix;
      return failures.length === 0
        ? undefined
        : `${failures.length} pairs do not: ${failures.slice(0, 10).join('; ')}`;
    },
    deadlineMilliseconds,
  );
