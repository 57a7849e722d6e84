import { unreachable } from '@outboard/core';
import type { Action } from '../../driver-ovs/openflow/actions.js';
import { fieldBits, fieldNumber } from '../../driver-ovs/openflow/fields.js';
import type { GroupSpec } from '../../driver-ovs/realise/ovs-objects.js';
import type { Connections } from './connections.js';
import type { FlowTable } from './flow-table.js';
import type { Packet } from './packet.js';

/** What a switch has, as its packets meet it. */
export interface Tables {
  table(number: number): FlowTable | undefined;
  /** The actions of each place where copies go, or of each way with its weight; undefined: there is no such group. */
  group(id: number): { readonly type: GroupSpec['type']; readonly buckets: readonly Bucket[] } | undefined;
  /** Whether a meter lets a packet pass now; one that is not there lets everything pass. */
  meter(id: number): boolean;
  /** The other end, where a port is one of a patch within the switch. */
  peer(port: string): string | undefined;
  readonly connections: Connections;
}

export interface Bucket {
  readonly weight: number;
  readonly actions: readonly Action[];
}

/** A packet leaves by a port. */
export interface Output {
  readonly port: string;
  readonly packet: Packet;
}

/** As Open vSwitch has it: how deep tables may call each other, and how many looks a packet may take in all. */
const MAX_DEPTH = 64;
const MAX_LOOKUPS = 4096;
const VLAN_PRESENT = 0x1000n;

/**
 * What becomes of a packet that enters the first table: what leaves, in order, and by which flows (`table/priority`), with what these
 * note.
 */
export function execute(
  tables: Tables,
  packet: Packet,
): { outputs: Output[]; flows: string[]; notes: string[] } {
  const run = new Run(tables);
  run.table(0, packet, 0);
  return run;
}

class Run {
  readonly outputs: Output[] = [];
  readonly flows: string[] = [];
  readonly notes: string[] = [];
  #lookups = 0;

  constructor(private readonly tables: Tables) {}

  /** Returns false where the packet ends. */
  table(number: number, packet: Packet, depth: number): boolean {
    if (depth > MAX_DEPTH || ++this.#lookups > MAX_LOOKUPS) return false;
    const flow = this.tables.table(number)?.lookup(packet);
    if (flow === undefined) return true;
    this.flows.push(`${number}/${flow.priority}`);
    return this.actions(flow.actions, packet, depth);
  }

  actions(actions: readonly Action[], packet: Packet, depth: number): boolean {
    for (const action of actions) if (!this.#act(action, packet, depth)) return false;
    return true;
  }

  #act(action: Action, packet: Packet, depth: number): boolean {
    if ('output' in action) {
      // A packet is not sent back to where it came from, unless that is what is said.
      if (action.output === 'IN_PORT') this.#output(packet.inPort, packet, depth);
      else if (action.output !== packet.inPort) this.#output(action.output, packet, depth);
      return true;
    }
    if ('group' in action) return this.#group(action.group, packet, depth);
    if ('set' in action) {
      if (action.set === 'nxm_in_port') {
        packet.inPort = String(action.to);
        return true;
      }
      const { value, mask } = fieldNumber(action.set, action.to);
      packet.set(action.set, value, mask);
      return true;
    }
    if ('move' in action) {
      const bits = BigInt(Math.min(fieldBits(action.move), fieldBits(action.into)));
      const mask = (1n << bits) - 1n;
      packet.set(action.into, packet.get(action.move) & mask, mask);
      return true;
    }
    if ('copyBit' in action) {
      const place = BigInt(action.bit);
      packet.set(action.into, (packet.get(action.copyBit) & 1n) << place, 1n << place);
      return true;
    }
    if ('note' in action) {
      this.notes.push(action.note);
      return true;
    }
    if ('resubmit' in action) return this.table(action.resubmit, packet, depth + 1);
    if ('goto' in action) return this.table(action.goto, packet, depth);
    if ('pushVlan' in action) {
      packet.set('vlan_vid', VLAN_PRESENT);
      return true;
    }
    if ('popVlan' in action) {
      packet.set('vlan_vid', 0n);
      return true;
    }
    if ('decrementTtl' in action) {
      const left = packet.get('ip_ttl') - 1n;
      if (left <= 0n) return false;
      packet.set('ip_ttl', left);
      return true;
    }
    if ('meter' in action) return this.tables.meter(action.meter);
    if ('ct' in action) {
      const { table } = action.ct;
      // Who only remembers goes on with the packet as it was.
      const tracked = packet.clone();
      this.tables.connections.track(tracked, action.ct);
      if (table !== undefined) this.table(table, tracked, depth + 1);
      return true;
    }
    return unreachable(action);
  }

  /** By a patch it comes in again, and nothing is known of it any more. */
  #output(port: string, packet: Packet, depth: number): void {
    const peer = this.tables.peer(port);
    if (peer === undefined) this.outputs.push({ port, packet: packet.clone() });
    else this.table(0, packet.at(peer), depth + 1);
  }

  /** What a bucket does to a packet, only the bucket sees. */
  #group(id: number, packet: Packet, depth: number): boolean {
    const group = this.tables.group(id);
    if (group === undefined) return true;
    const { type, buckets } = group;
    const chosen = type === 'all' ? buckets : chosenBucket(buckets, packet);
    for (const { actions } of chosen) this.actions(actions, packet.clone(), depth + 1);
    return true;
  }
}

/** One way, always the same for the packets of a connection, each as often as its weight says. */
function chosenBucket(buckets: readonly Bucket[], packet: Packet): readonly Bucket[] {
  const total = buckets.reduce((sum, { weight }) => sum + weight, 0);
  let place = total === 0 ? 0 : connectionHash(packet) % total;
  for (const bucket of buckets) {
    place -= bucket.weight;
    if (place < 0) return [bucket];
  }
  return [];
}

const HASHED = [
  'ip_proto',
  'ipv4_src',
  'ipv4_dst',
  'ipv6_src',
  'ipv6_dst',
  'tcp_src',
  'tcp_dst',
  'udp_src',
  'udp_dst',
] as const;

/** FNV-1a of addresses and ports. */
function connectionHash(packet: Packet): number {
  let hash = 0x811c9dc5;
  for (const name of HASHED)
    for (let rest = packet.get(name); rest > 0n; rest >>= 8n)
      hash = Math.imul(hash ^ Number(rest & 0xffn), 0x01000193);
  return hash >>> 0;
}
