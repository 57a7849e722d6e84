import type { Name, Propagation } from '@outboard/model';
import { dpusThatKnow, knows } from './confirmation.js';
import type { PortEntry } from './entries.js';

/** DPUs that are named; the total is always told. */
export const MAX_LAGGING = 10;

/** How far a port is known on the DPUs of its network; undefined: it is not planned. */
export function propagationOf(port: PortEntry): Propagation | undefined {
  if (!port.placement) return undefined;
  const { members, joining, physical } = port.network;
  const total = physical ? 1 : members.size;
  let behind = port.lagging;
  for (const name of joining.keys()) {
    const dpu = members.get(name)?.dpu;
    if (dpu && knows(dpu, port) && !dpu.unconfirmed.has(port)) behind++;
  }
  const lagging: Name[] = [];
  if (behind > 0) {
    for (const dpu of dpusThatKnow(port)) {
      const { name } = dpu.record;
      if (!dpu.unconfirmed.has(port) && !joining.has(name)) continue;
      lagging.push(name);
      if (lagging.length === Math.min(behind, MAX_LAGGING)) break;
    }
  }
  return { applied: total - behind, total, lagging };
}
