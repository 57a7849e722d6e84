import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InProcessBroker, STREAMS, type Subscription } from '@outboard/bus';
import { HEADERS, subjects } from '@outboard/contracts';
import { AppError, err, ok, type Result, systemRandom, unwrap } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import { type ProjectedChange, ResourceProjection } from '../src/index.js';
import { settled, until } from '../src/testing/index.js';

const DPU_UID = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';
const address = (name: string) => ({ tenant: '_', api: 'admin', kind: 'dpu', name }) as const;
const item = (name: string, host = 'host') => ({
  apiVersion: 'admin.outboard.dev/v1alpha1',
  kind: 'Dpu',
  metadata: { tenant: '_', name, uid: DPU_UID, generation: 1, resourceVersion: '1' },
  spec: { host },
  status: {},
});

/** The owner of DPUs, as far as others see it, and a service that follows it. */
class Stage {
  readonly clock = new ManualClock();
  readonly broker = new InProcessBroker({ clock: this.clock });
  readonly bus = this.broker.connect();
  /** What the owner lists, in pages of two; a failure stands for the owner's absence. */
  listed: Map<string, unknown> | AppError = new Map();
  /** What it answers instead. */
  answer: string | undefined;
  /** Called in the midst of a listing, before its answer is given. */
  whileListing: () => Promise<void> = async () => {};
  listings = 0;
  readonly projected = new Map<string, unknown>();
  readonly batches: number[] = [];
  /** Names that cannot be taken over, and why. */
  readonly refused = new Map<string, AppError>();
  storeFailure: AppError | undefined;
  projection!: ResourceProjection;
  #ids = 0;

  async open(): Promise<void> {
    unwrap(await this.broker.provision(STREAMS, 'apply'));
    await this.#serve();
    this.projection = new ResourceProjection({
      bus: this.broker.connect(),
      clock: this.clock,
      random: systemRandom,
      api: 'admin',
      kinds: ['Dpu'],
      known: () => [...this.projected.keys()].map((name) => ({ kind: 'Dpu', tenant: '_', name })),
      take: async (changes) => {
        // As a commit does.
        await new Promise(setImmediate);
        return this.#take(changes);
      },
    });
  }

  /** Published as the owner's relay does. */
  async publish(name: string, resource: unknown): Promise<void> {
    const headers = resource === undefined ? { [HEADERS.operation]: 'delete' } : {};
    const body = Buffer.from(JSON.stringify(resource ?? { kind: 'Dpu' }));
    const messageId = `state-${++this.#ids}`;
    unwrap(await this.bus.publish(subjects.state(address(name)), { headers, body }, { messageId }));
  }

  owns(...names: string[]): void {
    this.listed = new Map(names.map((name) => [name, item(name)]));
  }

  names(): string[] {
    return [...this.projected.keys()].sort();
  }

  #take(changes: readonly ProjectedChange[]): Result<void, AppError> {
    this.batches.push(changes.length);
    const refused = changes.map(({ name }) => this.refused.get(name)).find((error) => error !== undefined);
    if (this.storeFailure ?? refused) return err(this.storeFailure ?? (refused as AppError));
    for (const { name, resource } of changes) {
      if (resource?.kind === 'Dpu') this.projected.set(name, resource.spec.host);
      else this.projected.delete(name);
    }
    return ok(undefined);
  }

  #serve(): Promise<Subscription> {
    return this.bus.serve({
      name: 'owner',
      version: '1.0.0',
      description: 'lists DPUs',
      maxInFlight: 10,
      endpoints: [
        {
          name: 'list',
          subject: subjects.rpc('_', 'admin', 'dpu', 'list'),
          handle: async ({ body }) => {
            const { pageToken } = JSON.parse(Buffer.from(body).toString());
            if (pageToken === '') this.listings++;
            const listed = this.listed;
            await this.whileListing();
            if (listed instanceof AppError) return err(listed);
            if (this.answer !== undefined)
              return ok({ headers: {}, body: Buffer.from(this.answer, 'latin1') });
            const start = Number(pageToken || 0);
            const items = [...listed.values()].slice(start, start + 2);
            const nextPageToken = start + 2 < listed.size ? String(start + 2) : '';
            return ok({ headers: {}, body: Buffer.from(JSON.stringify({ items, nextPageToken })) });
          },
        },
      ],
    });
  }
}

const ABSENT = new AppError('UNAVAILABLE', 'the owner is starting');

describe('a projection', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = new Stage();
    await stage.open();
  });
  afterEach(async () => {
    await stage.projection[Symbol.asyncDispose]();
  });
  const start = async (): Promise<void> => {
    await stage.projection.start();
    await stage.clock.advance(0);
    await settled();
  };

  it('has what the stream and the list of the other service have, and follows every change', async () => {
    await stage.publish('a', item('a'));
    stage.owns('a', 'b', 'c', 'd', 'e');
    await start();
    expect(stage.names()).toEqual(['a', 'b', 'c', 'd', 'e']);
    await stage.publish('f', item('f'));
    await stage.publish('b', item('b', 'elsewhere'));
    await stage.publish('a', undefined);
    await until(() => !stage.projected.has('a'));
    expect(stage.names()).toEqual(['b', 'c', 'd', 'e', 'f']);
    expect(stage.projected.get('b')).toBe('elsewhere');
  });

  it('takes a burst over in batches, the newest of each resource', async () => {
    await start();
    stage.batches.length = 0;
    for (let round = 0; round < 5; round++) {
      for (let index = 0; index < 1_000; index++) {
        await stage.publish(`d-${index}`, item(`d-${index}`, `host-${round}`));
      }
    }
    await until(() => [...stage.projected.values()].filter((host) => host === 'host-4').length === 1_000);
    expect(Math.max(...stage.batches)).toBe(256);
    expect(stage.batches.length).toBeLessThan(1_000);
  });

  it('learns from the list what no message told: what is new, other, or gone', async () => {
    stage.owns('a', 'b');
    await start();
    stage.listed = new Map([
      ['b', item('b', 'elsewhere')],
      ['c', item('c')],
    ]);
    await stage.clock.advance(5 * 60_000);
    await until(() => stage.projected.has('c'));
    expect([...stage.projected]).toEqual([
      ['b', 'elsewhere'],
      ['c', 'host'],
    ]);
  });

  it('drops nothing because the stream is empty or lost', async () => {
    stage.owns('a', 'b');
    await start();
    await stage.projection[Symbol.asyncDispose]();
    const projected = [...stage.projected];
    const later = new Stage();
    for (const [name, host] of projected) later.projected.set(name, host);
    later.listed = ABSENT;
    await later.open();
    await later.projection.start();
    await later.clock.advance(60 * 60_000);
    await settled();
    expect([...later.projected]).toEqual(projected);
    expect(later.listings).toBeGreaterThan(10);
    await later.projection[Symbol.asyncDispose]();
  });

  it('lists again until the other service answers', async () => {
    stage.listed = ABSENT;
    await start();
    await stage.clock.advance(10_000);
    expect(stage.names()).toEqual([]);
    stage.owns('a');
    await stage.clock.advance(30_000);
    await until(() => stage.projected.has('a'));
    const { listings } = stage;
    await stage.clock.advance(60_000);
    expect(stage.listings).toBe(listings);
  });

  it('believes a message more than a listing that was under way when it came', async () => {
    stage.owns('a', 'b', 'c');
    let isFirst = true;
    stage.whileListing = async () => {
      if (!isFirst) return;
      isFirst = false;
      await stage.publish('a', undefined);
      await stage.publish('b', item('b', 'elsewhere'));
      await stage.publish('z', item('z'));
      await until(() => stage.projected.has('z'));
    };
    await start();
    await until(() => stage.projected.has('c'));
    expect([...stage.projected].sort()).toEqual([
      ['b', 'elsewhere'],
      ['c', 'host'],
      ['z', 'host'],
    ]);
  });

  it('keeps a resource that it cannot read, in the list or in a message', async () => {
    stage.owns('a', 'b');
    await start();
    const unreadable = { ...item('a'), spec: { host: 'NO HOST' }, status: { serialNumber: '*' } };
    stage.listed = new Map<string, unknown>([['a', unreadable]]);
    await stage.publish('a', unreadable);
    await stage.clock.advance(5 * 60_000);
    await until(() => !stage.projected.has('b'));
    expect([...stage.projected]).toEqual([['a', 'host']]);
  });

  it('takes a listing that makes no sense for a failed one', async () => {
    stage.owns('a');
    await start();
    for (const answer of ['{"items":7}', '{"nextPageToken":7}', 'null', '"text"', '{', '\xff']) {
      stage.answer = answer;
      const { listings } = stage;
      await stage.clock.advance(5 * 60_000);
      await until(() => stage.listings > listings);
      await settled();
      expect(stage.names()).toEqual(['a']);
    }
  });

  it('tries again what could not be stored, and loses none of it', async () => {
    await start();
    stage.storeFailure = new AppError('UNAVAILABLE', 'disk full');
    for (let index = 0; index < 300; index++) await stage.publish(`d-${index}`, item(`d-${index}`));
    await settled();
    expect(stage.names()).toEqual([]);
    await stage.publish('d-7', item('d-7', 'elsewhere'));
    await stage.clock.advance(5_000);
    stage.storeFailure = undefined;
    await stage.clock.advance(30_000);
    await until(() => stage.projected.size === 300);
    expect(stage.projected.get('d-7')).toBe('elsewhere');
  });

  it('is not kept from everything by one resource that cannot be taken over', async () => {
    await start();
    stage.refused.set('d-5', new AppError('INTERNAL', 'a bug'));
    for (let index = 0; index < 300; index++) await stage.publish(`d-${index}`, item(`d-${index}`));
    await until(() => stage.projected.size === 299);
    expect(stage.projected.has('d-5')).toBe(false);
    stage.refused.clear();
    stage.owns(...stage.projected.keys(), 'd-5');
    await stage.clock.advance(5 * 60_000);
    await until(() => stage.projected.has('d-5'));
  });

  it('ignores resources that it does not follow', async () => {
    await start();
    const functionState = subjects.state({ tenant: '_', api: 'admin', kind: 'function', name: 'f' });
    const message = { headers: {}, body: Buffer.from('{"kind":"Function"}') };
    unwrap(await stage.bus.publish(functionState, message, { messageId: 'f' }));
    await stage.publish('a', item('a'));
    await until(() => stage.projected.has('a'));
    expect(stage.names()).toEqual(['a']);
  });

  it('ends with what it was taking over', async () => {
    await start();
    await stage.publish('a', item('a'));
    await settled();
    await stage.projection[Symbol.asyncDispose]();
    expect(stage.names()).toEqual(['a']);
    expect(stage.clock.nextAlarmIn).toBeUndefined();
  });
});
