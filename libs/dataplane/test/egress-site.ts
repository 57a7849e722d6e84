import type { Entry } from '../src/testing/documents.js';
import { type LabPort, labNetwork, labPort } from './packet-lab.js';

/** Routers of two tenants. */
export const ACME = 'router/acme/main';
export const UMBRELLA = 'router/umbrella/main';
const WEB = labNetwork(31, ACME, '10.0.1', 'fd00:1');
const DB = labNetwork(32, ACME, '10.0.2', 'fd00:2');
const THEIR_WEB = labNetwork(41, UMBRELLA, '10.0.1', 'fd00:1');
const THEIR_DB = labNetwork(42, UMBRELLA, '10.0.2', 'fd00:2');

export const WEB_1 = labPort('web-1', WEB, 'dpu-1', 0, 11);
export const PORTS: readonly LabPort[] = [
  WEB_1,
  labPort('db-1', DB, 'dpu-1', 1, 11),
  labPort('db-2', DB, 'dpu-2', 0, 12),
  labPort('their-web', THEIR_WEB, 'dpu-1', 3, 11),
  labPort('their-db', THEIR_DB, 'dpu-2', 2, 13),
];

export const DPUS = ['dpu-1', 'dpu-2'] as const;
export type DpuName = (typeof DPUS)[number];
/** Beyond the uplinks, and what the uplinks have there. */
export const SERVER = { ip: '10.254.0.250', ip6: 'fd00:fab::250', port: 9000 };
export const UPLINKS: Readonly<Record<string, { ip: string; ip6: string }>> = {
  'dpu-1': { ip: '10.254.0.1', ip6: 'fd00:fab::1' },
  'dpu-2': { ip: '10.254.0.2', ip6: 'fd00:fab::2' },
};

export type EchoProtocol = 'TCP' | 'UDP';

/** An end of a connection. */
export interface Socket {
  readonly ip: string;
  readonly port: number;
}

/** Two DPUs with the ports above and a server beyond their uplinks: with real packets, or with frames in memory. */
export interface EgressSite extends AsyncDisposable {
  /** What makes the ports be, without any way out. */
  entriesFor(dpu: string): readonly Entry[];
  /** The DPU has applied exactly that, without a problem. */
  apply(dpu: string, entries: readonly Entry[]): Promise<void>;
  /** Who asked, as whom it asked saw it; undefined: no answer came. */
  echo(port: string, to: Socket, protocol: EchoProtocol): Promise<Socket | undefined>;
  /** The same of several at the same time, by TCP from equal addresses and ports. */
  echoTogether(ports: readonly string[], to: Socket, from: Socket): Promise<readonly (Socket | undefined)[]>;
  untilReached(port: string, ip: string): Promise<void>;
  pings(port: string, ip: string): Promise<boolean>;
  /** Something answers at ports of the DPU itself (by its name), of the fabric (`fabric`) or of the pod of a port until that is done. */
  whileListening(
    at: readonly (readonly [where: string, port: number])[],
    action: () => Promise<void>,
  ): Promise<void>;
  /** Whether the fabric gets an answer from an address that it takes a DPU for the way to. By ping, or a connection to a port. */
  intrudes(dpu: string, ip: string, port?: number): Promise<boolean>;
  /** The uplinks and the server have the addresses of IPv6 from now on. */
  addIpv6(): Promise<void>;
  untilNothingIsForwarded(dpu: string): Promise<void>;
}
