import type { AppError, Result } from '@outboard/core';
import { type AnyKind, KINDS, kindToken } from '@outboard/model';
import { concurrently } from '../concurrently.js';
import { nameOf } from '../kinds.js';
import { fullName } from '../output/values.js';
import { Progress } from '../progress.js';
import type { Session } from '../session.js';

/** A resource that a command does something to. */
export interface Target {
  readonly kind: AnyKind;
  /** As it stands on subjects. */
  readonly tenant: string;
  readonly name: string;
}

export interface LevelsOptions<Each, Outcome> {
  /** What is done, for progress: `applied`. */
  readonly verb: string;
  readonly order: 'needed-first' | 'needed-last';
  run(target: Each): Promise<Result<Outcome, AppError>>;
  /** Lines about what became of a target. */
  format(label: string, outcome: Outcome): readonly string[];
}

/** Requests under way; services take more, but the next ones wait for nothing then. */
const CONCURRENT_REQUESTS = 64;

/**
 * Does something to every target, in the order in which their kinds depend on each other; to those of one kind at the
 * same time. Goes on after a refusal, but not when nothing can get through.
 */
export async function inLevels<Each extends Target, Outcome>(
  { terminal, failures, signal, clock }: Session,
  targets: readonly Each[],
  { verb, order, run, format }: LevelsOptions<Each, Outcome>,
): Promise<void> {
  const labelOf = labels(targets);
  const progress = new Progress({ terminal, clock, verb, total: targets.length });
  let isCutOff = false;
  try {
    for (const level of levelsOf(targets, order)) {
      await concurrently(level, {
        limit: CONCURRENT_REQUESTS,
        run,
        settled: async (target, outcome) => {
          progress.count(outcome.ok);
          if (outcome.ok) {
            const lines = format(labelOf(target), outcome.value);
            await terminal.write(lines.map((line) => `${line}\n`).join(''));
          } else {
            failures.tell(outcome.error, labelOf(target));
            if (outcome.error.code === 'UNAVAILABLE' || outcome.error.code === 'CANCELLED') isCutOff = true;
          }
        },
        stopped: () => isCutOff || signal.aborted,
      });
    }
  } finally {
    progress[Symbol.dispose]();
  }
  const left = targets.length - progress.counted;
  if (left > 0) terminal.tell(`outboard: ${left} of ${targets.length} were not sent\n`);
}

/** `port/web-0`, with its tenant where resources of several are spoken of. */
function labels(targets: readonly Target[]): (target: Target) => string {
  const tenants = new Set(targets.flatMap(({ kind, tenant }) => (kind.scope === 'tenant' ? [tenant] : [])));
  return ({ kind, tenant, name }) =>
    tenants.size > 1 ? fullName({ tenant, kind: kindToken(kind), name }) : nameOf(kind, name);
}

/** The registry has the kinds in the order in which they are made. */
function levelsOf<Each extends Target>(
  targets: readonly Each[],
  order: LevelsOptions<Each, unknown>['order'],
): readonly (readonly Each[])[] {
  const levels = KINDS.map((kind) => targets.filter((target) => target.kind === kind));
  return order === 'needed-first' ? levels : levels.reverse();
}
