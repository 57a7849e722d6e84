import { STREAM } from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import { usageError } from '../failure.js';
import { type StateChange, StateFollower, stateSpec, steps } from '../following.js';
import { selectionsOf, tenantFor } from '../kinds.js';
import { formatRow } from '../output/table.js';
import { conditionOf, fullName, textOf, valueAt } from '../output/values.js';
import type { Session } from '../session.js';

export interface WatchOptions {
  readonly allTenants?: boolean;
  readonly output?: 'text' | 'json';
}

const WIDTHS = [9, 30, 8, 24];

export async function watch(session: Session, args: readonly string[], options: WatchOptions): Promise<void> {
  const { settings, terminal, signal } = session;
  const spec = specOf(args, { tenant: settings.tenant, allTenants: options.allTenants === true });
  const { bus } = await session.connect();
  const follower = new StateFollower();
  const format = options.output === 'json' ? changeAsJson : changeAsText;
  for await (const step of steps(bus, spec, signal)) {
    for (const change of follower.take(step)) {
      if (change.operation !== 'gone') await terminal.write(`${format(change)}\n`);
    }
  }
}

function specOf(args: readonly string[], scope: { tenant: string | undefined; allTenants: boolean }) {
  const [argument = '', ...names] = args;
  if (argument.toLowerCase() !== 'all') {
    const [selection, another] = selectionsOf(args, scope);
    if (!selection || another) throw usageError('KIND', 'must be one kind, or all');
    if (selection.names.length > 1) throw usageError('NAME', 'must be one name, or none for all');
    return stateSpec(selection.kind, tenantFor(selection.kind, scope), selection.names);
  }
  if (names.length > 0) throw usageError('NAME', 'names need one kind');
  if (scope.tenant === undefined && !scope.allTenants) {
    throw usageError('--tenant', 'name the tenant with -t, or ask for all with -A');
  }
  const filter = scope.allTenants || scope.tenant === undefined ? {} : { tenant: scope.tenant };
  return {
    stream: STREAM.state.name,
    filterSubject: subjects.states(filter),
    from: 'last-per-subject',
  } as const;
}

function changeAsText({ operation, address, object }: StateChange): string {
  const resource = fullName(address);
  if (operation === 'deleted') return formatRow([operation, resource], WIDTHS);
  const ready = conditionOf(object, 'Ready');
  const revision = `revision ${textOf(valueAt(object, 'metadata.resourceVersion'))}`;
  return formatRow([operation, resource, textOf(ready?.status), textOf(ready?.reason), revision], WIDTHS);
}

const changeAsJson = ({ operation, address, object }: StateChange): string =>
  JSON.stringify({ operation, ...address, object });
