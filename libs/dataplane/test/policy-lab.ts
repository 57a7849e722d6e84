import type { Socket } from 'node:net';
import { systemClock } from '@outboard/core';
import { connectTcp, EchoServer, ping, tcpEcho, udpEcho, waitReachable } from '@outboard/testbed';
import * as d from '../src/testing/documents.js';
import { addressesOf, type LabPort, labNetwork, labPort, PacketLab } from './packet-lab.js';
import type { PacketWorld } from './packets-suite.js';

/** Milliseconds, of what is denied; what is allowed takes one. */
const PATIENCE = { timeoutMilliseconds: 150 };
const TRIES = 20;
const SERVED = [80, 90, 91, 8080];

const NETWORK = labNetwork(0xb1, d.ROUTER, '10.0.1', 'fd00:1');
/** `near` and `far` reach `server`, one from its own DPU, one from another. */
const PORTS: readonly LabPort[] = [
  labPort('server', NETWORK, 'dpu-1', 0, 10),
  labPort('near', NETWORK, 'dpu-1', 1, 20),
  labPort('far', NETWORK, 'dpu-2', 0, 30),
];
const portOf = (name: string): LabPort => {
  const found = PORTS.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no port ${name}`);
  return found;
};
export const ipv4 = (name: string): string => addressesOf(portOf(name))[0];
export const ipv6 = (name: string): string => addressesOf(portOf(name))[1];

/** Policies as a planner would tell them: their objects, and what ports say of them. */
export interface Policies {
  readonly objects?: readonly d.Entry[];
  readonly ports?: Readonly<Record<string, d.EndpointFields>>;
}

/** What is tried: a TCP or UDP port of the server, or `ping`; from a client, or from the server to it. */
export type What = `tcp ${number}` | `udp ${number}` | 'ping';
export interface Flow {
  readonly from: string;
  readonly to: string;
  readonly what: What;
}
export const fromClients = (what: What): Flow[] =>
  ['near', 'far'].map((from) => ({ from, to: 'server', what }));
export const toClients = (what: What): Flow[] => ['near', 'far'].map((to) => ({ from: 'server', to, what }));

export const members = (group: string, ...names: string[]): d.Entry[] =>
  names.flatMap((name) => [d.groupMember(group, ipv4(name)), d.groupMember(group, ipv6(name))]);
export const tcp = (firstPort: number, lastPort = firstPort) => ({ protocol: 6, firstPort, lastPort });
export const allow = (fields: Omit<d.RuleInit, '$typeName'> = {}): d.RuleInit => ({
  name: 'a',
  action: 'ALLOW',
  ...fields,
});
export const deny = (fields: Omit<d.RuleInit, '$typeName'> = {}): d.RuleInit => ({
  name: 'd',
  action: 'DENY',
  ...fields,
});
export const pass = (fields: Omit<d.RuleInit, '$typeName'> = {}): d.RuleInit => ({
  name: 'p',
  action: 'PASS',
  ...fields,
});
/** The server under these policies. */
export const serverUnder = (
  objects: readonly d.Entry[],
  fields: d.EndpointFields,
  ...policies: string[]
): Policies => ({
  objects,
  ports: { server: { ...fields, ruleSets: policies.map(d.ruleSetKey) } },
});
export const ISOLATED = { isolatedIngress: true };

const group = (...names: string[]): d.Entry[] => [d.addressGroup('g'), ...members('g', ...names)];
/** The server accepts connections of a group's members, and nothing else. */
export const groupPolicy = (...names: string[]): Policies =>
  serverUnder(
    [...group(...names), d.ruleSet('p', { ingress: [allow({ peers: [d.inGroup('g')] })] })],
    ISOLATED,
    'p',
  );

/** A server with clients on its own DPU and on another, under policies; and what packets make of it. */
export class PolicyLab implements AsyncDisposable {
  readonly #servers: EchoServer[] = [];

  private constructor(readonly lab: PacketLab) {}

  static async open(name: string, world: PacketWorld): Promise<PolicyLab> {
    const policies = new PolicyLab(await PacketLab.open(name, PORTS, 1500, world));
    await policies.enforce({});
    for (const { name: own } of PORTS)
      for (const served of SERVED)
        policies.#servers.push(await EchoServer.listen(policies.lab.pod(own), served));
    for (const client of ['near', 'far'])
      for (const address of addressesOf(portOf('server')))
        await waitReachable(policies.lab.pod(client), address);
    return policies;
  }

  /** Both DPUs, or one, until they have applied and read back. */
  async enforce(policies: Policies, dpus: Iterable<string> = this.lab.testbed.dpus.keys()): Promise<void> {
    await Promise.all([...dpus].map((dpu) => this.lab.apply(dpu, this.entriesFor(dpu, policies))));
  }

  /** The document of a DPU. `without`: ports that are not there. */
  entriesFor(dpu: string, { objects = [], ports = {} }: Policies, ...without: string[]): d.Entry[] {
    const gone = new Set(without.map((name) => `endpoint/${name}`));
    return [...objects, ...this.lab.entriesFor(dpu, ports)].filter(([key]) => !gone.has(key));
  }

  /**
   * Those of the flows that are possible, by IPv4 and by IPv6, as text. What is expected may take its time on a busy
   * machine; what is not has one try.
   */
  async possibleOf(tried: readonly Flow[], expected: readonly string[]): Promise<string[]> {
    const found = tried.flatMap((flow) =>
      ([4, 6] as const).map(async (version) => {
        const text = textOf(flow, version);
        let possible = await this.#isPossible(flow, version);
        for (let tries = 0; !possible && expected.includes(text) && tries < TRIES; tries++)
          possible = await this.#isPossible(flow, version);
        return possible ? [text] : [];
      }),
    );
    return (await Promise.all(found)).flat().sort();
  }

  async #isPossible({ from, to, what }: Flow, version: 4 | 6): Promise<boolean> {
    const pod = this.lab.pod(from);
    const ip = version === 4 ? ipv4(to) : ipv6(to);
    if (what === 'ping') return (await ping(pod, ip, PATIENCE)).received === 1;
    const [protocol, served] = what.split(' ');
    const echo = protocol === 'tcp' ? tcpEcho : udpEcho;
    return (await echo(pod, { ip, port: Number(served) }, PATIENCE)).kind === 'echoed';
  }

  /** A TCP connection to the server that is kept: whether what is said over it comes back. */
  async conversation(from: string, served: number) {
    const { namespace } = this.lab.pod(from);
    const socket: Socket = await connectTcp(namespace, { ip: ipv4('server'), port: served });
    socket.on('error', () => undefined);
    return {
      async says(text: string, milliseconds: number): Promise<boolean> {
        const heard = new Promise<boolean>((resolve) => {
          const finish = (heard: boolean): void => {
            timer[Symbol.dispose]();
            socket.off('data', onData);
            resolve(heard);
          };
          const onData = (chunk: Buffer): void => {
            if (chunk.includes(text)) finish(true);
          };
          const timer = systemClock.schedule(milliseconds, () => finish(false));
          socket.on('data', onData);
        });
        socket.write(text);
        return heard;
      },
      [Symbol.dispose]: () => socket.destroy(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server[Symbol.dispose]();
    await this.lab[Symbol.asyncDispose]();
  }
}

const textOf = ({ from, to, what }: Flow, version: number): string =>
  `${from} to ${to}: ${what} IPv${version}`;
/** The flows as `possibleOf` names them. */
export const textsOf = (flows: readonly Flow[]): string[] =>
  flows.flatMap((flow) => [textOf(flow, 4), textOf(flow, 6)]).sort();
