import { type AppError, ok, type Result } from '@outboard/core';
import type { AnyKind, ResourceJson } from '@outboard/model';
import type { OutboardClient } from '../client.js';
import { usageError } from '../failure.js';
import { selectionsOf, tenantOfOne } from '../kinds.js';
import { type Manifest, readManifests } from '../manifests.js';
import type { Session } from '../session.js';
import { type Awaited, awaitGoal } from '../waiting.js';
import { inLevels, type Target } from './levels.js';

export interface DeleteOptions {
  readonly filename?: readonly string[];
  readonly ignoreNotFound?: boolean;
  readonly wait?: boolean;
  readonly output?: 'text' | 'json';
}

/** How long `--wait` waits by default, milliseconds. */
const DEFAULT_WAIT = 30_000;

export async function remove(
  session: Session,
  args: readonly string[],
  options: DeleteOptions,
): Promise<void> {
  const targets = await targetsOf(session, args, options);
  const client = await session.connect();
  const deleted: Deleted[] = [];
  await inLevels(session, targets, {
    verb: 'deleted',
    order: 'needed-last',
    run: async (target) => {
      const outcome = await removeOne(client, target, options.ignoreNotFound === true);
      if (outcome.ok && outcome.value) deleted.push({ ...target, object: outcome.value });
      return outcome;
    },
    format: (label, object) => {
      const result = object ? 'deleted' : 'not found';
      return options.output === 'json'
        ? [JSON.stringify({ resource: label, result })]
        : [`${label} ${result}`];
    },
  });
  if (!options.wait || session.signal.aborted) return;
  await awaitGoal(
    session,
    client,
    grouped(deleted),
    { type: 'delete' },
    {
      timeoutMilliseconds: session.settings.timeoutMilliseconds ?? DEFAULT_WAIT,
      reached: async () => {},
    },
  );
}

/** A deleted resource as it was. */
interface Deleted extends Target {
  readonly object: ResourceJson;
}

async function targetsOf(
  { settings, terminal }: Session,
  args: readonly string[],
  { filename = [] }: DeleteOptions,
): Promise<readonly Target[]> {
  if (filename.length > 0 === args.length > 0) {
    throw usageError('KIND', 'give KIND and NAME, or -f FILE');
  }
  if (filename.length > 0) {
    const manifests = await readManifests({
      paths: filename,
      tenant: settings.tenant,
      readInput: (maxBytes) => terminal.readInput(maxBytes),
    });
    if (!manifests.ok) throw manifests.error;
    return manifests.value.map(({ kind, tenant, name }: Manifest) => ({ kind, tenant, name }));
  }
  const scope = { tenant: settings.tenant, allTenants: false };
  return selectionsOf(args, scope).flatMap(({ kind, names }) => {
    if (names.length === 0) throw usageError('NAME', 'is required: what is to be deleted?');
    const tenant = tenantOfOne(kind, scope);
    return names.map((name) => ({ kind, tenant, name }));
  });
}

/** Undefined: there was nothing to delete, which was all right. */
async function removeOne(
  client: OutboardClient,
  { kind, tenant, name }: Target,
  ignoreNotFound: boolean,
): Promise<Result<ResourceJson | undefined, AppError>> {
  const deleted = await client.delete(kind, tenant, name);
  return !deleted.ok && ignoreNotFound && deleted.error.code === 'NOT_FOUND' ? ok(undefined) : deleted;
}

function grouped(deleted: readonly Deleted[]): readonly Awaited[] {
  const groups = new Map<string, { kind: AnyKind; tenant: string; known: Map<string, ResourceJson> }>();
  for (const { kind, tenant, name, object } of deleted) {
    const key = `${kind.kind}/${tenant}`;
    const group = groups.get(key) ?? { kind, tenant, known: new Map() };
    group.known.set(name, object);
    groups.set(key, group);
  }
  return [...groups.values()].map((group) => ({ ...group, names: [...group.known.keys()] }));
}
