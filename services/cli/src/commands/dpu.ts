import type { AppError, Result } from '@outboard/core';
import type { AnyKind, ResourceJson } from '@outboard/model';
import type { OutboardClient } from '../client.js';
import { DPU_STEPS, type DpuStep, type StepParameters, standingOfDpu, withStep } from '../dpu-steps.js';
import { usageError } from '../failure.js';
import { nameOf, selectionsOf, tenantOfOne } from '../kinds.js';
import type { Session } from '../session.js';
import { awaitGoal } from '../waiting.js';

export interface DpuOptions {
  readonly wait?: boolean;
  readonly drainSeconds?: string;
  readonly force?: boolean;
  readonly request?: string;
}

/** Milliseconds. */
const DEFAULT_WAIT = 3_600_000;
/** How often it is looked anew because somebody has changed the DPU meanwhile. */
const MAX_ATTEMPTS = 5;

/** A step in the life of DPUs: fields of their specs are changed, and where that leads is waited for. */
export async function dpu(
  session: Session,
  [verb = '', ...names]: readonly string[],
  options: DpuOptions,
): Promise<void> {
  const step = DPU_STEPS.get(verb);
  if (!step) {
    const verbs = [...DPU_STEPS.keys()].join(', ');
    throw usageError('VERB', `must be one of ${verbs}, not ${JSON.stringify(verb)}`);
  }
  if (names.length === 0) throw usageError('NAME', 'is required: which DPU?');
  const { settings, terminal, failures, clock } = session;
  const parameters: StepParameters = {
    request: options.request ?? new Date(clock.now()).toISOString(),
    drainSeconds: drainSecondsOf(verb, options.drainSeconds),
    force: forceOf(verb, options.force),
  };
  const scope = { tenant: settings.tenant, allTenants: false };
  const selections = selectionsOf(['dpu', ...names], scope);
  const client = await session.connect();
  for (const { kind, names: selected } of selections) {
    const tenant = tenantOfOne(kind, scope);
    const known = new Map<string, ResourceJson>();
    for (const name of new Set(selected)) {
      const after = await take(client, { kind, tenant, name }, step, parameters);
      if (!after.ok) {
        failures.tell(after.error, nameOf(kind, name));
        continue;
      }
      known.set(name, after.value);
      await terminal.write(`${nameOf(kind, name)} ${step.told}\n`);
    }
    if (options.wait) await follow(session, client, { kind, tenant, known }, step, parameters);
  }
}

function forceOf(verb: string, force = false): boolean {
  if (force && verb !== 'drain' && verb !== 'retire') throw usageError('--force', 'is of drain and retire');
  return force;
}

function drainSecondsOf(verb: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (verb !== 'drain' && verb !== 'retire') throw usageError('--drain-seconds', 'is of drain and retire');
  if (!/^[1-9][0-9]{0,8}$/.test(text))
    throw usageError('--drain-seconds', 'must be a whole number, at least 1');
  return Number(text);
}

/** Changes the DPU as it is now; again where somebody else has changed it in between. */
async function take(
  client: OutboardClient,
  { kind, tenant, name }: { readonly kind: AnyKind; readonly tenant: string; readonly name: string },
  step: DpuStep,
  parameters: StepParameters,
): Promise<Result<ResourceJson, AppError>> {
  for (let attempt = 1; ; attempt++) {
    const before = await client.get(kind, tenant, name);
    if (!before.ok) return before;
    const after = await client.apply(kind, tenant, withStep(before.value, step, parameters));
    if (after.ok || after.error.code !== 'ABORTED' || attempt === MAX_ATTEMPTS) return after;
  }
}

/** Until they are there: whatever changes on the way, such as who still has to leave, is told. */
async function follow(
  session: Session,
  client: OutboardClient,
  { kind, tenant, known }: { kind: AnyKind; tenant: string; known: ReadonlyMap<string, ResourceJson> },
  step: DpuStep,
  parameters: StepParameters,
): Promise<void> {
  const { settings, terminal } = session;
  const told = new Map<string, string>();
  const seen = async (label: string, object: ResourceJson): Promise<void> => {
    const standing = standingOfDpu(object);
    if (told.get(label) === standing) return;
    told.set(label, standing);
    await terminal.write(`${label} ${standing}\n`);
  };
  const isReached = (object: ResourceJson): boolean => step.isReached(object, parameters);
  const goal = { type: 'state', isReached, standing: standingOfDpu } as const;
  await awaitGoal(session, client, [{ kind, tenant, names: [...known.keys()], known }], goal, {
    timeoutMilliseconds: settings.timeoutMilliseconds ?? DEFAULT_WAIT,
    seen,
    reached: async () => {},
  });
}
