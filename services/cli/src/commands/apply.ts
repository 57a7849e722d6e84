import { type AppError, ok, type Result } from '@outboard/core';
import type { ResourceJson } from '@outboard/model';
import type { OutboardClient, Plan } from '../client.js';
import { nameOf } from '../kinds.js';
import { type Manifest, readManifests } from '../manifests.js';
import { formatDependent, formatPlan, type PlannedResult } from '../output/plan.js';
import type { Session } from '../session.js';
import { inLevels, type Target } from './levels.js';

export interface ApplyOptions {
  readonly filename: readonly string[];
  readonly dryRun?: boolean;
  readonly output?: 'text' | 'json';
}

export async function apply(session: Session, _: readonly string[], options: ApplyOptions): Promise<void> {
  const { settings, terminal } = session;
  const manifests = await readManifests({
    paths: options.filename,
    tenant: settings.tenant,
    readInput: (maxBytes) => terminal.readInput(maxBytes),
  });
  if (!manifests.ok) throw manifests.error;
  const client = await session.connect();
  const asJson = options.output === 'json';
  if (options.dryRun) {
    const planner = new DryRun(client, manifests.value);
    await inLevels(session, manifests.value, {
      verb: 'planned',
      order: 'needed-first',
      run: (manifest) => planner.plan(manifest),
      format: (label, outcome) => (asJson ? json({ resource: label, ...outcome }) : outcome.lines(label)),
    });
  } else {
    await inLevels(session, manifests.value, {
      verb: 'applied',
      order: 'needed-first',
      run: (manifest) => applyOne(client, manifest),
      format: (label, { result, object }) =>
        asJson ? json({ resource: label, result, object }) : [`${label} ${result}`],
    });
  }
}

async function applyOne(
  client: OutboardClient,
  { kind, tenant, name, content }: Manifest,
): Promise<Result<{ result: PlannedResult; object: ResourceJson }, AppError>> {
  const before = await find(client, { kind, tenant, name });
  if (!before.ok) return before;
  const after = await client.apply(kind, tenant, content);
  return after.ok ? ok({ result: resultOf(before.value, after.value), object: after.value }) : after;
}

async function find(
  client: OutboardClient,
  { kind, tenant, name }: Target,
): Promise<Result<ResourceJson | undefined, AppError>> {
  const found = await client.get(kind, tenant, name);
  return found.ok || found.error.code !== 'NOT_FOUND' ? found : ok(undefined);
}

/** The generation counts changes of the spec; labels are the only other thing that an intent can change. */
function resultOf(before: ResourceJson | undefined, after: ResourceJson): PlannedResult {
  if (before?.metadata.uid !== after.metadata.uid) return 'created';
  const same =
    before?.metadata.generation === after.metadata.generation &&
    canonical(before?.metadata.labels) === canonical(after.metadata.labels);
  return same ? 'unchanged' : 'configured';
}

const canonical = (labels: unknown): string => JSON.stringify(Object.entries(labels ?? {}).sort());

const json = (value: unknown): readonly string[] => [JSON.stringify(value)];

interface PlanOutcome {
  readonly result: PlannedResult;
  readonly plan?: Plan;
  readonly after?: readonly string[];
  lines(label: string): readonly string[];
}

/** Plans each resource against what is there; of what only this call would create, nothing can be planned upon. */
class DryRun {
  /** Resources of this call, by tenant and name. */
  readonly #given = new Map<string, Manifest>();
  readonly #missing = new Set<Manifest>();

  constructor(
    private readonly client: OutboardClient,
    manifests: readonly Manifest[],
  ) {
    for (const manifest of manifests)
      this.#given.set(keyOf(manifest.tenant, manifest.kind, manifest.name), manifest);
  }

  async plan(manifest: Manifest): Promise<Result<PlanOutcome, AppError>> {
    const { kind, tenant, content } = manifest;
    const before = await find(this.client, manifest);
    if (!before.ok) return before;
    if (!before.value) this.#missing.add(manifest);
    const result = before.value ? 'configured' : 'created';
    const after = this.#needed(manifest);
    if (after.length > 0) {
      return ok({ result, after, lines: (label) => [formatDependent(label, result, after)] });
    }
    const planned = await this.client.plan(kind, tenant, content);
    if (!planned.ok) return planned;
    const plan = planned.value;
    const outcome = plan.changed.length === 0 ? 'unchanged' : result;
    return ok({ result: outcome, plan, lines: (label) => formatPlan(label, outcome, plan) });
  }

  #needed({ kind, tenant, intent }: Manifest): readonly string[] {
    const names = kind.references(intent.spec as never).flatMap((reference) => {
      const needed = this.#given.get(keyOf(tenant, reference, reference.name));
      return needed && this.#missing.has(needed) ? [nameOf(reference, reference.name)] : [];
    });
    // A spec may refer to the same one in several places.
    return [...new Set(names)];
  }
}

const keyOf = (tenant: string, kind: { readonly kind: string }, name: string): string =>
  `${tenant}/${nameOf(kind, name)}`;
