import { type Bus, replay, STREAM, type StreamBus, type Watched } from '@outboard/bus';
import { type AppError, err, ok, type Result } from '@outboard/core';
import { printable, usageError } from '../failure.js';
import { find, notFound, type Selection, selected } from '../letters.js';
import { writeJson, writeYaml } from '../output/documents.js';
import { formatLetter, formatLetters, type LetterSummary, letterOf, summaryOf } from '../output/letter.js';
import type { Session } from '../session.js';
import type { Terminal } from '../terminal.js';

export interface DeadOptions {
  readonly subject?: string;
  readonly reason?: string;
  readonly from?: string;
  readonly limit: string;
  readonly allTenants?: boolean;
  readonly yes?: boolean;
  readonly output?: 'table' | 'json' | 'yaml';
}

/** Most letters that one command lists, or replays or drops without their sequences. */
const MAX_LETTERS = 1_000;

type Verb = (session: Session, args: readonly string[], options: DeadOptions) => Promise<void>;

const list: Verb = async (session, args, options) => {
  if (args.length > 0) throw usageError('SEQUENCE', 'a list has filters; `outboard dead show` shows one');
  const selection = selectionOf(session, options);
  const limit = limitOf(options);
  const { bus } = await session.connect();
  const items: LetterSummary[] = [];
  let next: number | undefined;
  for await (const letter of selected(bus, selection, session.signal)) {
    if (items.length === limit) {
      next = letter.streamSequence;
      break;
    }
    items.push(summaryOf(letter));
  }
  const { terminal, clock } = session;
  if (options.output === 'json') {
    return writeJson(terminal, { kind: 'List', items, ...(next && { next }) });
  }
  if (options.output === 'yaml') await writeYaml(session.terminal, items);
  else if (items.length === 0) terminal.tell('no dead letters\n');
  else await terminal.write(`${formatLetters(items, clock.now()).join('\n')}\n`);
  if (next !== undefined) tellMore(terminal, next);
};

const tellMore = (terminal: Terminal, next: number): void =>
  terminal.tell(`outboard: there are more: --from ${next}\n`);

const show: Verb = async (session, args, options) => {
  const [sequence, another] = args.map(sequenceOf);
  if (sequence === undefined || another !== undefined) {
    throw usageError('SEQUENCE', 'must be that of one letter; `outboard dead list` tells it');
  }
  const { bus } = await session.connect();
  const found = await find(bus, sequence, session.signal);
  if (!found.ok) throw found.error;
  const letter = letterOf(found.value);
  if (options.output === 'yaml') return writeYaml(session.terminal, [letter]);
  const { terminal, clock } = session;
  const lines =
    options.output === 'json' ? [JSON.stringify(letter, null, 2)] : formatLetter(letter, clock.now());
  await terminal.write(`${lines.join('\n')}\n`);
};

const replayAgain: Verb = (session, args, options) =>
  settle(session, args, options, async (bus, letter) => {
    const sent = await replay(bus, letter);
    return sent.ok ? ok({ sequence: letter.streamSequence, result: 'replayed', ...sent.value }) : sent;
  });

const drop: Verb = (session, args, options) =>
  settle(session, args, options, async (bus, { streamSequence: sequence }) => {
    const removed = await bus.streams.remove(STREAM.dead.name, sequence);
    if (!removed.ok) return removed;
    return removed.value ? ok({ sequence, result: 'dropped' }) : err(notFound(sequence));
  });

const VERBS: ReadonlyMap<string, Verb> = new Map(Object.entries({ list, show, replay: replayAgain, drop }));

/** What was parked: to be looked at, tried again or given up. */
export const dead: Verb = async (session, [verb = '', ...args], options) => {
  const run = VERBS.get(verb);
  if (!run) throw usageError('VERB', `must be list, show, replay or drop, not ${JSON.stringify(verb)}`);
  await run(session, args, options);
};

/** What became of a letter. */
interface Settled {
  readonly sequence: number;
  readonly result: 'replayed' | 'dropped';
  readonly subject?: string;
  readonly messageId?: string;
}

/** Does something to the letters that are named, or to those that are selected; goes on after a refusal. */
async function settle(
  session: Session,
  args: readonly string[],
  options: DeadOptions,
  act: (bus: StreamBus, letter: Watched) => Promise<Result<Settled, AppError>>,
): Promise<void> {
  const letters = lettersOf(session, args, options);
  const { bus } = await session.connect();
  for await (const letter of letters(bus)) {
    const settled = await act(bus, letter);
    if (settled.ok) {
      await tell(session, settled.value, options);
      continue;
    }
    session.failures.tell(settled.error, labelOf(letter.streamSequence));
    if (settled.error.code === 'UNAVAILABLE' || settled.error.code === 'CANCELLED') return;
  }
}

const labelOf = (sequence: number): string => `dead letter ${sequence}`;

async function tell(session: Session, settled: Settled, { output }: DeadOptions): Promise<void> {
  if (output === 'yaml') return writeYaml(session.terminal, [settled], '---\n');
  const { sequence, result, subject, messageId } = settled;
  const way = subject === undefined ? '' : ` to ${subject} as ${messageId}`;
  const line = output === 'json' ? JSON.stringify(settled) : printable(`${sequence} ${result}${way}`);
  await session.terminal.write(`${line}\n`);
}

/** How the letters are read that are to be settled: by their sequences, or by what selects them and the user's word. */
function lettersOf(
  session: Session,
  args: readonly string[],
  options: DeadOptions,
): (bus: Bus) => AsyncGenerator<Watched> {
  const hasFilter = [options.subject, options.reason, options.from].some((given) => given !== undefined);
  const sequences = [...new Set(args.map(sequenceOf))];
  if (sequences.length > 0) {
    if (hasFilter) throw usageError('SEQUENCE', 'name letters or give filters, not both');
    return (bus) => named(session, bus, sequences);
  }
  const selection = selectionOf(session, options);
  if (!hasFilter && !options.allTenants && session.settings.tenant === undefined) {
    throw usageError(
      'SEQUENCE',
      'is required: which letters? Or --subject, --reason, --from, -t, -A for all',
    );
  }
  if (!options.yes) {
    throw usageError('--yes', 'is required without sequences; `outboard dead list` shows what is selected');
  }
  const limit = limitOf(options);
  return (bus) => atMost(limit, session, selected(bus, selection, session.signal));
}

async function* named(session: Session, bus: Bus, sequences: readonly number[]): AsyncGenerator<Watched> {
  for (const sequence of sequences) {
    if (session.signal.aborted) return;
    const found = await find(bus, sequence, session.signal);
    if (found.ok) yield found.value;
    else session.failures.tell(found.error, labelOf(sequence));
  }
}

async function* atMost(
  limit: number,
  { terminal }: Session,
  letters: AsyncGenerator<Watched>,
): AsyncGenerator<Watched> {
  let count = 0;
  for await (const letter of letters) {
    if (count++ === limit) return tellMore(terminal, letter.streamSequence);
    yield letter;
  }
}

function selectionOf({ settings }: Session, options: DeadOptions): Selection {
  const { subject: prefix = '', reason: text = '', from, allTenants = false } = options;
  const tenant = allTenants ? undefined : settings.tenant;
  return {
    from: from === undefined ? 0 : numberOf('--from', from),
    matches: ({ subject, reason }) =>
      subject.startsWith(prefix) &&
      reason.includes(text) &&
      (tenant === undefined || tenantOf(subject) === tenant),
  };
}

/** What stands where every subject of a tenant has it, also in one that names nothing. */
const tenantOf = (subject: string): string | undefined => subject.split('.')[3];

function limitOf({ limit: text }: DeadOptions): number {
  const limit = numberOf('--limit', text);
  if (limit <= MAX_LETTERS) return limit;
  throw usageError('--limit', `must be at most ${MAX_LETTERS}, not ${limit}`);
}

const sequenceOf = (text: string): number => numberOf('SEQUENCE', text);

function numberOf(field: string, text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw usageError(field, `must be a number from 1 on, not ${JSON.stringify(text)}`);
}
