import { accessSync, constants, existsSync, readFileSync, rmdirSync } from 'node:fs';
import { LIMITS, type Limit } from './bundle.js';

const ROOT = '/sys/fs/cgroup';
/** Which controller enforces what. */
const CONTROLLERS: Readonly<Record<Limit, string>> = { cpu: 'cpu', memory: 'memory', processes: 'pids' };

export interface Enforceable {
  /** Both versions of cgroups have controllers (cgroups(7)). */
  readonly hybrid: boolean;
  readonly limits: readonly Limit[];
  /** Why not all; empty: all are. */
  readonly reason: string;
}

/** What cgroups can enforce on this machine. */
export function enforceableLimits(root = ROOT): Enforceable {
  const unified = existsSync(`${root}/cgroup.controllers`);
  const own = words(`${root}/cgroup.controllers`);
  const hybrid = !unified && words(`${root}/unified/cgroup.controllers`).length > 0;
  const limits = LIMITS.filter((limit) => {
    const controller = CONTROLLERS[limit];
    return unified ? own.includes(controller) && isWritable(root) : isWritable(`${root}/${controller}`);
  });
  const missing = LIMITS.filter((limit) => !limits.includes(limit));
  const reason =
    missing.length === 0 ? '' : `cgroups here cannot be written, or do not limit ${missing.join(', ')}`;
  return { hybrid, limits, reason };
}

/** Takes away an empty group that the runtime has made above those of its containers. */
export function removeEmptyGroup(path: string, root = ROOT): void {
  const hierarchies = existsSync(`${root}/cgroup.controllers`)
    ? [root]
    : ['blkio', 'cpu', 'cpuacct', 'cpuset', 'devices', 'freezer', 'memory', 'pids', 'systemd', 'unified'].map(
        (name) => `${root}/${name}`,
      );
  for (const hierarchy of hierarchies) {
    try {
      rmdirSync(`${hierarchy}${path}`);
    } catch {
      // It is not there, or somebody is in it.
    }
  }
}

function words(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split(/\s+/).filter(Boolean);
  } catch {
    return [];
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
