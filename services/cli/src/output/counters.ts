import type { DpuCounters } from '../client.js';
import { formatTable } from './table.js';

/** What rules have decided on: summed over DPUs, then DPU by DPU; and of which DPUs nothing can be told. */
export function formatCounters(items: readonly DpuCounters[]): readonly string[] {
  const totals = new Map<string, { direction: string; rule: string; packets: bigint; bytes: bigint }>();
  const rows: string[][] = [];
  for (const { dpu, rules = [] } of items) {
    for (const { direction, rule, packets = '0', bytes = '0' } of rules) {
      const key = `${direction} ${rule}`;
      const total = totals.get(key) ?? { direction, rule, packets: 0n, bytes: 0n };
      total.packets += BigInt(packets);
      total.bytes += BigInt(bytes);
      totals.set(key, total);
      rows.push([direction, rule, dpu, packets, bytes]);
    }
  }
  const sums = [...totals.keys()].sort().flatMap((key) => {
    const total = totals.get(key);
    return total === undefined
      ? []
      : [[total.direction, total.rule, 'all', `${total.packets}`, `${total.bytes}`]];
  });
  return [
    ...formatTable([['DIRECTION', 'RULE', 'DPU', 'PACKETS', 'BYTES'], ...sums, ...rows]),
    ...silentOf(items),
  ];
}

const silentOf = (items: readonly DpuCounters[]): readonly string[] =>
  items.flatMap(({ dpu, message = '' }) => (message === '' ? [] : [`${dpu}: ${message}`]));

/** What hops were given, and what of that they passed on, DPU by DPU in the order of the chain. */
export function formatHopCounters(items: readonly DpuCounters[]): readonly string[] {
  const rows = items.flatMap(({ dpu, hops = [] }) =>
    hops.map(({ hop, direction, packets = '0', bytes = '0', passedPackets = '0', passedBytes = '0' }) => [
      dpu,
      hop,
      direction,
      packets,
      bytes,
      passedPackets,
      passedBytes,
    ]),
  );
  const head = ['DPU', 'HOP', 'DIRECTION', 'PACKETS', 'BYTES', 'PASSED-PACKETS', 'PASSED-BYTES'];
  return [...formatTable([head, ...rows]), ...silentOf(items)];
}
