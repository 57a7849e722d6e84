import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Delivery, InProcessBroker, type StreamBus } from '@outboard/bus';
import { HEADERS, subjects } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { parse, parseAllDocuments } from 'yaml';
import { parkIntents, World } from './world.js';

const subjectOf = (tenant: string, name: string): string =>
  subjects.intent({ tenant, api: 'network', kind: 'port', name });

let world: World;
let bus: StreamBus;
let delivered: Delivery[];
/** Why the next deliveries are parked; undefined: they are handled. */
let reason: string | undefined;

beforeEach(async () => {
  world = await World.open();
  bus = world.connect();
  delivered = [];
  reason = undefined;
  await parkIntents(bus, (delivery) => {
    delivered.push(delivery);
    return reason;
  });
});

afterEach(async () => {
  await bus[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

async function publish(subject: string, body: string | Uint8Array, messageId: string): Promise<void> {
  const message = { headers: { traceparent: '00-1' }, body: Buffer.from(body) };
  unwrap(await bus.publish(subject, message, { messageId }));
}

/** Has a message parked, and awaits its letter. */
async function park(subject: string, why: string, body: string | Uint8Array = '{"a":1}'): Promise<void> {
  const before = (await list()).length;
  reason = why;
  await publish(subject, body, `id-${before + 1}`);
  await settled(before + 1);
  reason = undefined;
}

/** As soon as there are so many letters. */
async function settled(count: number): Promise<void> {
  while ((await list()).length !== count);
}

async function list(filters = ''): Promise<{ sequence: number }[]> {
  const { stdout } = await world.outboard(`dead list -o json${filters}`);
  return JSON.parse(stdout).items;
}

const sequences = async (filters = ''): Promise<number[]> =>
  (await list(filters)).map(({ sequence }) => sequence);

/** Three letters, of two tenants and for two reasons. */
async function parkThree(): Promise<void> {
  await park(subjectOf('acme', 'web-0'), 'gave up after 3 deliveries: disk full');
  await park(subjectOf('acme', 'db-0'), 'not JSON');
  await park(subjectOf('globex', 'web-0'), 'gave up after 3 deliveries: locked');
}

describe('outboard dead list', () => {
  it('says when there are none', async () => {
    expect(await world.outboard('dead list')).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: 'no dead letters\n',
    });
  });

  it('shows when, what and why, oldest first', async () => {
    await parkThree();
    const { stdout } = await world.outboard('dead list');
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {3,}/));
    expect(rows.slice(0, 3)).toEqual([
      ['SEQUENCE', 'PARKED', 'DELIVERIES', 'SUBJECT', 'REASON'],
      [
        '1',
        expect.stringMatching(/^\d+s ago$/),
        '1',
        subjectOf('acme', 'web-0'),
        'gave up after 3 deliveries: disk full',
      ],
      ['2', expect.stringMatching(/^\d+s ago$/), '1', subjectOf('acme', 'db-0'), 'not JSON'],
    ]);
    expect(await list()).toMatchObject([{ sequence: 1, messageId: 'id-1', bytes: 7 }, {}, {}]);
    expect(parse((await world.outboard('dead list --limit 1 -o yaml')).stdout)).toMatchObject({
      sequence: 1,
    });
  });

  it('is narrowed by subject, reason and tenant', async () => {
    await parkThree();
    expect(await sequences(` --subject ${subjectOf('acme', 'w')}`)).toEqual([1]);
    expect(await sequences(' --reason gave')).toEqual([1, 3]);
    expect(await sequences(' -t acme')).toEqual([1, 2]);
    expect(await sequences(' -t acme --reason gave')).toEqual([1]);
    expect(await sequences(' -t acme -A')).toEqual([1, 2, 3]);
  });

  it('comes in pages, also when what a page begins with is gone', async () => {
    await parkThree();
    const page = await world.outboard('dead list --limit 2');
    expect(page.stderr).toBe('outboard: there are more: --from 3\n');
    expect(JSON.parse((await world.outboard('dead list --limit 2 -o json')).stdout)).toMatchObject({
      next: 3,
    });
    expect(await sequences(' --limit 2 --from 3')).toEqual([3]);
    await world.outboard('dead drop 1 2');
    expect(await sequences(' --from 2')).toEqual([3]);
    expect(await sequences(' --from 9')).toEqual([]);
  });
});

describe('outboard dead show', () => {
  it('shows headers and body of a letter', async () => {
    await park(subjectOf('acme', 'web-0'), 'not\u001b[2Jnow');
    const { stdout, exitCode } = await world.outboard('dead show 1');
    expect(exitCode).toBe(0);
    expect(stdout.replace(/^Parked: .*\n/m, '')).toBe(
      `Sequence:     1
Subject:      ${subjectOf('acme', 'web-0')}
Message id:   id-1
Place:        1
Deliveries:   1
Reason:       not?[2Jnow
Headers:
  traceparent: 00-1
Body (7 bytes):
  {
    "a": 1
  }
`,
    );
    expect(JSON.parse((await world.outboard('dead show 1 -o json')).stdout)).toMatchObject({
      sequence: 1,
      place: 1,
      headers: { traceparent: '00-1' },
      body: '{"a":1}',
    });
  });

  it('shows a body that is no JSON, or no text', async () => {
    await park(subjectOf('acme', 'a'), 'x', 'two\nlines\u0007');
    await park(subjectOf('acme', 'b'), 'x', Uint8Array.of(0xff, 0));
    expect((await world.outboard('dead show 1')).stdout).toMatch(
      /Body \(10 bytes\):\n {2}two\n {2}lines\?\n$/,
    );
    expect((await world.outboard('dead show 2')).stdout).toMatch(/Body \(2 bytes\):\n {2}base64 \/wA=\n$/);
    expect(parse((await world.outboard('dead show 2 -o yaml')).stdout)).toMatchObject({ bodyBase64: '/wA=' });
  });

  it.each(['1', '7'])('tells that letter %s is not there', async (sequence) => {
    await park(subjectOf('acme', 'a'), 'x');
    await park(subjectOf('acme', 'b'), 'x');
    await world.outboard('dead drop 1');
    expect(await world.outboard(`dead show ${sequence}`)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `outboard: there is no dead letter ${sequence}\n`,
    });
  });
});

describe('outboard dead replay', () => {
  it('sends the message again, with its place and an id that its stream does not know yet', async () => {
    await park(subjectOf('acme', 'web-0'), 'x');
    const { stdout } = await world.outboard('dead replay 1');
    expect(stdout).toMatch(/^1 replayed to outboard\.\S+\.web-0 as replay-1-\d+\n$/);
    expect(await list()).toEqual([]);
    while (delivered.length < 2) await list();
    const [, again] = delivered;
    expect(again).toMatchObject({ subject: subjectOf('acme', 'web-0'), headers: { traceparent: '00-1' } });
    expect(again?.headers[HEADERS.deadSequence]).toBe('1');
    expect(Buffer.from(again?.body ?? []).toString()).toBe('{"a":1}');
  });

  it('of what fails again is a letter again', async () => {
    await park(subjectOf('acme', 'web-0'), 'x');
    reason = 'still';
    await world.outboard('dead replay 1');
    await settled(1);
    expect(await list()).toMatchObject([{ sequence: 2, reason: 'still' }]);
  });

  it('of several goes on after what is not there or is refused', async () => {
    await park(subjectOf('acme', 'web-0'), 'x');
    await publish(subjects.dead('outboard.v1alpha1.intent.acme.nobody.port.a'), '{}', 'letter-2');
    await park(subjectOf('acme', 'db-0'), 'x');
    const { exitCode, stdout, stderr } = await world.outboard('dead replay 9 2 1 3 1 -o json');
    expect(exitCode).toBe(1);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { sequence: 1, result: 'replayed', subject: subjectOf('acme', 'web-0') },
      { sequence: 3, result: 'replayed' },
    ]);
    expect(
      stderr
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { resource: 'dead letter 9', error: { status: 'NOT_FOUND' } },
      { resource: 'dead letter 2', error: { status: 'FAILED_PRECONDITION' } },
    ]);
    expect(await sequences()).toEqual([2]);
  });
});

describe('outboard dead drop', () => {
  it('drops those that are named', async () => {
    await parkThree();
    expect(await world.outboard('dead drop 1 3', { environment: { OUTBOARD_TENANT: 'acme' } })).toEqual({
      exitCode: 0,
      stdout: '1 dropped\n3 dropped\n',
      stderr: '',
    });
    expect(await sequences()).toEqual([2]);
    expect(delivered).toHaveLength(3);
  });

  it('drops those that are selected, at most as many as the limit', async () => {
    await parkThree();
    const { stdout, stderr } = await world.outboard('dead drop -A --limit 2 --yes -o yaml');
    expect(parseAllDocuments(stdout).map((document) => document.toJS())).toEqual([
      { sequence: 1, result: 'dropped' },
      { sequence: 2, result: 'dropped' },
    ]);
    expect(stderr).toBe('outboard: there are more: --from 3\n');
    expect(await sequences()).toEqual([3]);
  });

  it('of a tenant leaves the others', async () => {
    await parkThree();
    expect((await world.outboard('dead drop -t acme --yes')).stdout).toBe('1 dropped\n2 dropped\n');
    expect(await sequences()).toEqual([3]);
  });
});

describe('a command line about dead letters', () => {
  it.each([
    ['dead bury', 'VERB: must be list, show, replay or drop, not "bury"'],
    ['dead list 1', 'SEQUENCE: a list has filters'],
    ['dead list --limit 1001', '--limit: must be at most 1000, not 1001'],
    ['dead list --from x', '--from: must be a number from 1 on, not "x"'],
    ['dead show', 'SEQUENCE: must be that of one letter'],
    ['dead show 1 2', 'SEQUENCE: must be that of one letter'],
    ['dead replay 0', 'SEQUENCE: must be a number from 1 on, not "0"'],
    ['dead drop', 'SEQUENCE: is required'],
    ['dead drop --yes', 'SEQUENCE: is required'],
    ['dead drop 1 --reason x', 'SEQUENCE: name letters or give filters, not both'],
    ['dead drop --reason x', '--yes: is required'],
    ['dead replay -A', '--yes: is required'],
  ])('such as `%s` is refused before anything is done', async (commandLine, problem) => {
    const broker = new InProcessBroker();
    const outcome = await world.outboard(commandLine, { connect: async () => broker.connect() });
    expect(outcome).toMatchObject({ exitCode: 2, stdout: '' });
    expect(outcome.stderr).toContain(`outboard: ${problem}`);
  });
});
