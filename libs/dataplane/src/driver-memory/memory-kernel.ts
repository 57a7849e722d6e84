import { InMemoryObjects } from '../in-memory/in-memory-objects.js';
import { linkKey } from '../realise/linux-keys.js';
import type { LinuxSpec } from '../realise/linux-objects.js';

/** What stands in a machine's kernel, in memory. */
export class MemoryKernel extends InMemoryObjects<LinuxSpec> {
  /** A device disappears, and what was attached to it. */
  unplug(name: string): void {
    this.remove(`gate/${name}`);
    for (const key of this.keys()) if (key.startsWith(`steering/${name}/`)) this.remove(key);
    this.remove(linkKey(name));
    this.tell({ kind: 'functions' });
  }

  inTheWayOf(key: string): string | undefined {
    for (const { key: other, spec, ownership } of this.standing())
      if (ownership.kind === 'owned' && blocks(spec, key)) return `${other} needs it`;
    return undefined;
  }
}

/** What must be gone before: removing in the wrong order leaves a redirect into nowhere, or a bridge without home. */
function blocks(spec: LinuxSpec, key: string): boolean {
  switch (spec.kind) {
    case 'bridge':
    case 'tunnel':
    case 'geneve':
    case 'vlan':
      return key === `namespace/${spec.namespace}`;
    case 'gate':
    case 'hopexit':
    case 'steering':
      return key === linkKey(spec.target);
    default:
      return false;
  }
}
