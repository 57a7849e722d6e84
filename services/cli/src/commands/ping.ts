import type { Bus } from '@outboard/bus';
import { AppError } from '@outboard/core';
import { writeJson } from '../output/documents.js';
import { formatInstances, readInstances } from '../output/services.js';
import type { Session } from '../session.js';

export interface PingOptions {
  readonly output?: 'table' | 'json';
}

/** How long answers are awaited, milliseconds: in all, and after the one before. */
const DEADLINE = 2_000;
const QUIET = 300;
const MAX_INSTANCES = 10_000;

export async function ping(
  { terminal, clock, settings, connect }: Session,
  _: readonly string[],
  { output }: PingOptions,
): Promise<void> {
  const { bus } = await connect();
  const deadlineMilliseconds = settings.timeoutMilliseconds ?? DEADLINE;
  const [infos, statistics] = await Promise.all([
    discover(bus, 'INFO', deadlineMilliseconds),
    discover(bus, 'STATS', deadlineMilliseconds),
  ]);
  const instances = readInstances(infos, statistics);
  if (output === 'json') {
    await writeJson(terminal, instances);
  } else if (instances.length > 0) {
    await terminal.write(`${formatInstances(instances, clock.now()).join('\n')}\n`);
  }
  if (instances.length > 0) return;
  throw new AppError('UNAVAILABLE', 'the server is there, but no service of Outboard runs', {
    reason: 'NO_SERVICES',
  });
}

async function discover(
  bus: Bus,
  verb: 'INFO' | 'STATS',
  deadlineMilliseconds: number,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const answers = await bus.gather(
    `$SRV.${verb}`,
    { headers: {}, body: new Uint8Array() },
    { deadlineMilliseconds, quietMilliseconds: QUIET, maxReplies: MAX_INSTANCES },
  );
  if (!answers.ok) throw answers.error;
  return answers.value.flatMap(({ body }) => {
    try {
      return [JSON.parse(Buffer.from(body).toString())];
    } catch {
      return [];
    }
  });
}
