import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError, type Result, unwrap } from '@outboard/core';
import { LIMITS } from './limits.js';
import type {
  Batch,
  CommitRefusal,
  Committed,
  IndexEntry,
  Key,
  NewRow,
  OutboxMessage,
  Store,
} from './port.js';

export const portKey = (name: string, tenant = 'acme'): Key => ({ kind: 'Port', tenant, name });

export const indexEntry = (index: string, value: string): IndexEntry => ({ index, value, unique: false });

export const uniqueEntry = (index: string, value: string): IndexEntry => ({ index, value, unique: true });

export const newRow = (key: Key, value = '{}', ...indexes: IndexEntry[]): NewRow => ({ key, value, indexes });

export const newMessage = (messageId: string, body = messageId): OutboxMessage => ({
  messageId,
  subject: 'outboard.v1alpha1.event.acme.network.port.web.accepted',
  headers: { 'Outboard-Cause': 'a cause — with more than ASCII' },
  body: new TextEncoder().encode(body),
});

export const newBatch = (parts: Partial<Batch>): Batch => ({
  expect: [],
  puts: [],
  deletes: [],
  outbox: [],
  remember: [],
  ...parts,
});

/** The rules of the `Store` port. Every adapter has to keep all of them; `open` gives an empty store. */
export function storeContract(name: string, open: () => Promise<Store>): void {
  describe(`${name} keeps the contract of a store`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(async () => {
      await store[Symbol.asyncDispose]();
    });

    const commit = (parts: Partial<Batch>): Promise<Result<Committed, CommitRefusal>> =>
      store.commit(newBatch(parts));
    const put = async (...puts: NewRow[]): Promise<number> => unwrap(await commit({ puts })).revision;
    const get = (key: Key) => store.read((snapshot) => snapshot.get(key));
    const names = (rows: readonly { key: Key }[]) => rows.map(({ key }) => `${key.tenant}/${key.name}`);
    const find = (index: string, value: string) =>
      names(store.read((snapshot) => snapshot.find(index, value, 100)));

    describe('commits', () => {
      it('writes rows that carry the revision of their commit', async () => {
        const revision = await put(newRow(portKey('web'), '{"a":1}', indexEntry('port.network', 'blue')));
        expect(get(portKey('web'))).toEqual({
          key: portKey('web'),
          value: '{"a":1}',
          indexes: [indexEntry('port.network', 'blue')],
          revision,
        });
        expect(store.read((snapshot) => snapshot.revision)).toBe(revision);
      });

      it('gives every commit a revision above the one before, an empty one too', async () => {
        const first = await put(newRow(portKey('a')));
        const second = unwrap(await commit({})).revision;
        expect(second).toBeGreaterThan(first);
      });

      it('writes all of a batch or nothing of it', async () => {
        await put(newRow(portKey('kept')));
        const before = store.read((snapshot) => snapshot.revision);
        const refused = await commit({
          expect: [{ key: portKey('missing'), revision: 1 }],
          puts: [newRow(portKey('new'), '{}', indexEntry('port.network', 'blue'))],
          deletes: [portKey('kept')],
          outbox: [newMessage('m1')],
          remember: [{ messageId: 'id', fingerprint: 'f', answer: '{}' }],
        });
        expect(refused.ok).toBe(false);
        expect(get(portKey('new'))).toBeUndefined();
        expect(get(portKey('kept'))).toBeDefined();
        store.read((snapshot) => {
          expect(snapshot.find('port.network', 'blue', 10)).toEqual([]);
          expect(snapshot.pendingMessages(10)).toEqual([]);
          expect(snapshot.remembered('id')).toBeUndefined();
          expect(snapshot.revision).toBe(before);
        });
      });

      it('replaces the value and the index entries of a row that is there', async () => {
        await put(newRow(portKey('web'), '1', indexEntry('port.network', 'blue')));
        const revision = await put(newRow(portKey('web'), '2', indexEntry('port.network', 'red')));
        expect(get(portKey('web'))).toMatchObject({ value: '2', revision });
        expect(find('port.network', 'blue')).toEqual([]);
        expect(find('port.network', 'red')).toEqual(['acme/web']);
      });

      it('removes a deleted row with its index entries, and takes an absent one for deleted', async () => {
        await put(newRow(portKey('web'), '1', indexEntry('port.network', 'blue')));
        unwrap(await commit({ deletes: [portKey('web'), portKey('never-there')] }));
        expect(get(portKey('web'))).toBeUndefined();
        expect(find('port.network', 'blue')).toEqual([]);
      });

      it('keeps texts and bodies byte for byte', async () => {
        const value = JSON.stringify({ text: 'ß 漢 🚀 \u0000 \u2028', quote: '\'"' });
        const body = Uint8Array.from({ length: 256 }, (_, at) => at);
        unwrap(
          await commit({
            puts: [newRow(portKey('web'), value, indexEntry('port.label', 'ß 漢 🚀 \u0000'))],
            outbox: [
              { ...newMessage('bytes'), body },
              { ...newMessage('empty'), body: new Uint8Array(0), headers: {} },
            ],
          }),
        );
        expect(get(portKey('web'))?.value).toBe(value);
        expect(find('port.label', 'ß 漢 🚀 \u0000')).toEqual(['acme/web']);
        const [bytes, empty] = store.read((snapshot) => snapshot.pendingMessages(2));
        expect(Uint8Array.from(bytes?.body ?? [])).toEqual(body);
        expect(bytes?.headers).toEqual(newMessage('bytes').headers);
        expect(empty?.body.byteLength).toBe(0);
      });
    });

    describe('expectations', () => {
      it('accepts the revision that is there', async () => {
        const revision = await put(newRow(portKey('web')));
        const result = await commit({
          expect: [{ key: portKey('web'), revision }],
          puts: [newRow(portKey('web'), '2')],
        });
        expect(result.ok).toBe(true);
      });

      it('refuses a revision that was overtaken and names the one that is there', async () => {
        const old = await put(newRow(portKey('web')));
        const found = await put(newRow(portKey('web')));
        expect(await commit({ expect: [{ key: portKey('web'), revision: old }] })).toEqual({
          ok: false,
          error: { kind: 'stale', key: portKey('web'), found },
        });
      });

      it('refuses "absent" for a row that is there, and a revision for a row that is not', async () => {
        const found = await put(newRow(portKey('web')));
        expect(await commit({ expect: [{ key: portKey('web'), revision: 'absent' }] })).toMatchObject({
          error: { kind: 'stale', found },
        });
        expect(await commit({ expect: [{ key: portKey('none'), revision: 3 }] })).toMatchObject({
          error: { kind: 'stale', found: 'absent' },
        });
        expect((await commit({ expect: [{ key: portKey('none'), revision: 'absent' }] })).ok).toBe(true);
      });

      it('lets one of two concurrent writers of the same revision win', async () => {
        const revision = await put(newRow(portKey('web')));
        const write = (value: string) =>
          commit({ expect: [{ key: portKey('web'), revision }], puts: [newRow(portKey('web'), value)] });
        const [first, second] = await Promise.all([write('first'), write('second')]);
        expect([first.ok, second.ok]).toEqual([true, false]);
        expect(get(portKey('web'))?.value).toBe('first');
      });
    });

    describe('unique index entries', () => {
      const held = uniqueEntry('port.function', 'vf3');

      it('refuses an entry that another row holds and names the holder', async () => {
        await put(newRow(portKey('web'), '1', held));
        expect(await commit({ puts: [newRow(portKey('db'), '1', held)] })).toEqual({
          ok: false,
          error: { kind: 'taken', entry: held, holder: portKey('web') },
        });
      });

      it('lets the same row keep its entry', async () => {
        await put(newRow(portKey('web'), '1', held));
        expect((await commit({ puts: [newRow(portKey('web'), '2', held, indexEntry('a', 'b'))] })).ok).toBe(
          true,
        );
      });

      it('lets entries move between rows of one batch, be swapped, and be taken over from a deleted row', async () => {
        const other = uniqueEntry('port.function', 'vf4');
        await put(newRow(portKey('web'), '1', held), newRow(portKey('db'), '1', other));
        unwrap(
          await commit({ puts: [newRow(portKey('web'), '2', other), newRow(portKey('db'), '2', held)] }),
        );
        expect(find('port.function', 'vf3')).toEqual(['acme/db']);
        unwrap(await commit({ puts: [newRow(portKey('new'), '1', held)], deletes: [portKey('db')] }));
        expect(find('port.function', 'vf3')).toEqual(['acme/new']);
      });

      it('refuses an entry that is given to two rows of one batch', async () => {
        expect(
          await commit({ puts: [newRow(portKey('web'), '1', held), newRow(portKey('db'), '1', held)] }),
        ).toMatchObject({ error: { kind: 'taken', holder: portKey('web') } });
        expect(find('port.function', 'vf3')).toEqual([]);
      });

      it('is free again when its row gave it up or was deleted', async () => {
        await put(newRow(portKey('web'), '1', held));
        await put(newRow(portKey('web'), '2'));
        await put(newRow(portKey('db'), '1', held));
        unwrap(await commit({ deletes: [portKey('db')] }));
        expect((await commit({ puts: [newRow(portKey('new'), '1', held)] })).ok).toBe(true);
      });

      it('may be held by many rows when it is not unique', async () => {
        await put(
          newRow(portKey('b'), '1', indexEntry('port.network', 'blue')),
          newRow(portKey('a'), '1', indexEntry('port.network', 'blue')),
        );
        expect(find('port.network', 'blue')).toEqual(['acme/a', 'acme/b']);
      });
    });

    describe('groups of concurrent commits', () => {
      it('lets a refused batch harm no neighbour', async () => {
        const blocked = uniqueEntry('port.function', 'vf3');
        await put(newRow(portKey('holder'), '1', blocked));
        const results = await Promise.all(
          Array.from({ length: 30 }, (_, at) =>
            commit({
              puts: [newRow(portKey(`p${at}`), '1', at % 3 === 0 ? blocked : indexEntry('all', 'all'))],
              outbox: [newMessage(`m${at}`)],
            }),
          ),
        );
        expect(results.map(({ ok }) => ok)).toEqual(results.map((_, at) => at % 3 !== 0));
        expect(find('all', 'all')).toHaveLength(20);
        const pending = store.read((snapshot) => snapshot.pendingMessages(100));
        expect(pending.map(({ messageId }) => messageId)).toEqual(
          results.flatMap((_, at) => (at % 3 === 0 ? [] : [`m${at}`])),
        );
      });

      it('sees the commits before it in the same group', async () => {
        const held = uniqueEntry('port.function', 'vf3');
        const [first, second, third] = await Promise.all([
          commit({ puts: [newRow(portKey('a'), '1', held)] }),
          commit({ puts: [newRow(portKey('b'), '1', held)] }),
          commit({ expect: [{ key: portKey('a'), revision: 'absent' }] }),
        ]);
        expect(first?.ok).toBe(true);
        expect(second).toMatchObject({ error: { kind: 'taken', holder: portKey('a') } });
        expect(third).toMatchObject({ error: { kind: 'stale' } });
      });

      it('answers 1000 concurrent commits in the order of the calls, with rising revisions, all readable', async () => {
        const answered: number[] = [];
        const revisions = await Promise.all(
          Array.from({ length: 1000 }, async (_, at) => {
            const { revision } = unwrap(
              await commit({ puts: [newRow(portKey(`p${at}`))], outbox: [newMessage(`m${at}`)] }),
            );
            answered.push(at);
            return revision;
          }),
        );
        expect(answered).toEqual(Array.from({ length: 1000 }, (_, at) => at));
        expect(revisions.every((revision, at) => at === 0 || revision > (revisions[at - 1] ?? 0))).toBe(true);
        expect(store.read((snapshot) => snapshot.list('Port', { limit: 2000 })).rows).toHaveLength(1000);
        const pending = store.read((snapshot) => snapshot.pendingMessages(2000));
        expect(pending.map(({ messageId }) => messageId)).toEqual(answered.map((at) => `m${at}`));
      });

      it('writes what was called before it was disposed, and refuses what comes after', async () => {
        const called = Promise.all(Array.from({ length: 600 }, (_, at) => put(newRow(portKey(`p${at}`)))));
        await store[Symbol.asyncDispose]();
        expect(await called).toHaveLength(600);
        expect(await commit({})).toMatchObject({
          error: { kind: 'unavailable', error: { reason: 'STORE_CLOSED' } },
        });
        expect(() => get(portKey('p1'))).toThrow('closed');
      });
    });

    describe('reads', () => {
      it('do not see a commit before it has resolved, and see it as soon as it has', async () => {
        const committing = put(newRow(portKey('web')));
        expect(get(portKey('web'))).toBeUndefined();
        await committing;
        expect(get(portKey('web'))).toBeDefined();
      });

      it('see one revision, however much they read', async () => {
        await put(newRow(portKey('a'), '1'), newRow(portKey('b'), '1'));
        const committing = put(newRow(portKey('a'), '2'), newRow(portKey('b'), '2'));
        const [values, nested] = store.read((snapshot) => [
          [snapshot.get(portKey('a'))?.value, snapshot.get(portKey('b'))?.value],
          store.read((inner) => inner.revision === snapshot.revision),
        ]);
        expect(values).toEqual(['1', '1']);
        expect(nested).toBe(true);
        await committing;
      });

      it('pass on what the query throws, and the next read works', async () => {
        const thrown = new Error('mine');
        expect(() =>
          store.read(() => {
            throw thrown;
          }),
        ).toThrow(thrown);
        expect(get(portKey('web'))).toBeUndefined();
      });

      it('end with their call: a snapshot kept for later is refused', () => {
        const kept = store.read((snapshot) => [snapshot]);
        expect(() => kept[0]?.get(portKey('web'))).toThrow('within its read');
      });
    });

    describe('lists', () => {
      beforeEach(async () => {
        const keys = ['b/2', 'a/10', 'a/2', 'b/1', 'a-b/1', 'A/z'].map((text) => text.split('/'));
        await put(...keys.map(([tenant = '', key = '']) => newRow(portKey(key, tenant))));
        await put(newRow({ kind: 'Network', tenant: 'a', name: 'blue' }));
      });

      it('are in key order (tenant, name) by bytes, of one kind', () => {
        const page = store.read((snapshot) => snapshot.list('Port', { limit: 100 }));
        expect(names(page.rows)).toEqual(['A/z', 'a/10', 'a/2', 'a-b/1', 'b/1', 'b/2']);
        expect(page.next).toBeUndefined();
      });

      it('are of one tenant when asked so', () => {
        const page = store.read((snapshot) => snapshot.list('Port', { tenant: 'a', limit: 100 }));
        expect(names(page.rows)).toEqual(['a/10', 'a/2']);
      });

      it.each([{}, { tenant: 'b' }])('come in pages that neither lose nor repeat a row: %j', (options) => {
        const all = store.read((snapshot) => snapshot.list('Port', { ...options, limit: 100 })).rows;
        for (let limit = 1; limit <= all.length; limit++) {
          const collected: string[] = [];
          let after: Key | undefined;
          do {
            const from = after ? { after } : {};
            const page = store.read((snapshot) => snapshot.list('Port', { ...options, ...from, limit }));
            expect(page.rows.length).toBeLessThanOrEqual(limit);
            collected.push(...names(page.rows));
            after = page.next;
          } while (after);
          expect(collected).toEqual(names(all));
        }
      });

      it('go on after a row that was deleted meanwhile', async () => {
        const page = store.read((snapshot) => snapshot.list('Port', { limit: 3 }));
        const after = page.next;
        if (!after) throw new Error('there is a second page');
        unwrap(await commit({ deletes: [after] }));
        expect(names(store.read((snapshot) => snapshot.list('Port', { limit: 9, after })).rows)).toEqual([
          'a-b/1',
          'b/1',
          'b/2',
        ]);
      });

      it('refuse a place to go on that is of another kind or tenant', () => {
        const after = portKey('1', 'b');
        expect(() => store.read((snapshot) => snapshot.list('Network', { after, limit: 1 }))).toThrow(
          AppError,
        );
        expect(() =>
          store.read((snapshot) => snapshot.list('Port', { tenant: 'a', after, limit: 1 })),
        ).toThrow(AppError);
      });
    });

    it('finds rows by an index entry in key order (kind, tenant, name), in pages', async () => {
      const blue = indexEntry('uses.network', 'blue');
      const keys = [portKey('2', 'b'), portKey('1', 'a'), { kind: 'Network', tenant: 'z', name: 'z' }];
      await put(...keys.map((key) => newRow(key, '{}', blue)));
      expect(find('uses.network', 'blue')).toEqual(['z/z', 'a/1', 'b/2']);
      const first = store.read((snapshot) => snapshot.find('uses.network', 'blue', 2));
      expect(names(first)).toEqual(['z/z', 'a/1']);
      const rest = store.read((snapshot) => snapshot.find('uses.network', 'blue', 2, first[1]?.key));
      expect(names(rest)).toEqual(['b/2']);
      expect(find('uses.network', 'blu')).toEqual([]);
    });

    describe('the outbox', () => {
      const pending = (limit = 100, after?: number) =>
        store.read((snapshot) => snapshot.pendingMessages(limit, after));
      const ids = (messages: readonly OutboxMessage[]) => messages.map(({ messageId }) => messageId);

      it('gives messages in the order of the commits and within them, with rising sequences', async () => {
        await Promise.all([
          commit({ outbox: [newMessage('z'), newMessage('a')] }),
          commit({ outbox: [newMessage('m')] }),
        ]);
        expect(ids(pending())).toEqual(['z', 'a', 'm']);
        const sequences = pending().map(({ sequence }) => sequence);
        expect(sequences).toEqual([...new Set(sequences)].sort((one, other) => one - other));
      });

      it('gives the oldest first, up to a limit, and goes on after a sequence', async () => {
        await commit({ outbox: ['1', '2', '3'].map((id) => newMessage(id)) });
        const first = pending(2);
        expect(ids(first)).toEqual(['1', '2']);
        expect(ids(pending(2, first.at(-1)?.sequence))).toEqual(['3']);
      });

      it('forgets what was published, in whatever order and how often it is told, and never gives a sequence again', async () => {
        await commit({ outbox: ['1', '2', '3', '4', '5'].map((id) => newMessage(id)) });
        const all = pending().map(({ sequence }) => sequence);
        await store.markPublished([all[4] ?? 0, all[1] ?? 0, all[0] ?? 0]);
        expect(ids(pending())).toEqual(['3', '4']);
        await store.markPublished([999_999, ...all.toReversed()]);
        expect(pending()).toEqual([]);
        await commit({ outbox: [newMessage('6')] });
        expect(pending()[0]?.sequence).toBeGreaterThan(Math.max(...all));
      });

      it('ends a read early when the bodies fill it, though never without a message', async () => {
        const body = new Uint8Array(LIMITS.bodyBytes);
        for (let at = 0; at < 6; at++) await commit({ outbox: [{ ...newMessage(`m${at}`), body }] });
        expect(ids(pending())).toEqual(['m0', 'm1', 'm2', 'm3']);
      });
    });

    describe('remembered answers', () => {
      const answer = (messageId: string) => ({ messageId, fingerprint: 'f'.repeat(64), answer: '{"a":1}' });
      const remembered = (messageId: string) =>
        store.read((snapshot) => snapshot.remembered(messageId)?.messageId);

      it('are given again', async () => {
        await commit({ remember: [answer('m1')] });
        expect(store.read((snapshot) => snapshot.remembered('m1'))).toEqual(answer('m1'));
        expect(remembered('m2')).toBeUndefined();
      });

      it('refuse a second commit for the same message id, before anything else is looked at', async () => {
        const [first, second] = await Promise.all([
          commit({ remember: [answer('m1')], puts: [newRow(portKey('web'))] }),
          commit({
            expect: [{ key: portKey('web'), revision: 'absent' }],
            remember: [{ ...answer('m1'), answer: 'other' }],
          }),
        ]);
        expect(first?.ok).toBe(true);
        expect(second).toEqual({ ok: false, error: { kind: 'answered', remembered: answer('m1') } });
      });

      it('are forgotten from before a revision, oldest first, at most as many as asked', async () => {
        const revisions: number[] = [];
        for (const id of ['m1', 'm2', 'm3', 'm4']) {
          revisions.push(unwrap(await commit({ remember: [answer(id)] })).revision);
        }
        const before = revisions[3] ?? 0;
        expect(await store.forgetAnswersBefore(before, 2)).toBe(2);
        expect(['m1', 'm2', 'm3', 'm4'].map(remembered)).toEqual([undefined, undefined, 'm3', 'm4']);
        expect(await store.forgetAnswersBefore(before, 10_000)).toBe(1);
        expect(await store.forgetAnswersBefore(before, 10_000)).toBe(0);
        expect(remembered('m4')).toBe('m4');
        expect((await commit({ remember: [answer('m1')] })).ok).toBe(true);
      });
    });

    describe('limits', () => {
      const rejection = (parts: Partial<Batch>): Promise<unknown> =>
        commit(parts).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
      const tooLong = 'x'.repeat(LIMITS.nameCharacters + 1);
      const fields: [string, Partial<Batch>][] = [
        ['puts[0].key.name', { puts: [newRow(portKey('a b'))] }],
        ['puts[0].key.tenant', { puts: [newRow(portKey('a', ''))] }],
        ['deletes[0].kind', { deletes: [{ ...portKey('a'), kind: tooLong }] }],
        ['expect[0].key.name', { expect: [{ key: portKey('ä'), revision: 'absent' }] }],
        ['puts[0].value', { puts: [newRow(portKey('a'), 'x'.repeat(LIMITS.valueBytes + 1))] }],
        ['puts[0].value', { puts: [newRow(portKey('a'), '"\ud800"')] }],
        ['puts[1].key', { puts: [newRow(portKey('a')), newRow(portKey('a'))] }],
        ['deletes[0]', { puts: [newRow(portKey('a'))], deletes: [portKey('a')] }],
        ['puts[0].indexes[0].index', { puts: [newRow(portKey('a'), '', indexEntry('', 'x'))] }],
        [
          'puts[0].indexes[0].value',
          { puts: [newRow(portKey('a'), '', indexEntry('i', 'x'.repeat(LIMITS.indexValueBytes + 1)))] },
        ],
        [
          'puts[0].indexes[1]',
          { puts: [newRow(portKey('a'), '', indexEntry('i', 'x'), uniqueEntry('i', 'x'))] },
        ],
        [
          'puts[0].indexes',
          {
            puts: [
              newRow(
                portKey('a'),
                '',
                ...Array.from({ length: LIMITS.indexEntriesPerRow + 1 }, (_, at) => indexEntry('i', `${at}`)),
              ),
            ],
          },
        ],
        ['outbox[0].messageId', { outbox: [newMessage('')] }],
        ['outbox[1].messageId', { outbox: [newMessage('m'), newMessage('m')] }],
        ['outbox[0].subject', { outbox: [{ ...newMessage('m'), subject: 'a b' }] }],
        [
          'outbox[0].headers',
          { outbox: [{ ...newMessage('m'), headers: { a: 'x'.repeat(LIMITS.headerBytes) } }] },
        ],
        ['outbox[0].body', { outbox: [{ ...newMessage('m'), body: new Uint8Array(LIMITS.bodyBytes + 1) }] }],
        ['remember[0].messageId', { remember: [{ messageId: '', fingerprint: 'f', answer: '' }] }],
        ['deletes', { deletes: Array.from({ length: LIMITS.itemsPerBatch + 1 }, () => portKey('a')) }],
        [
          'batch',
          {
            puts: Array.from({ length: 17 }, (_, at) =>
              newRow(portKey(`p${at}`), 'x'.repeat(LIMITS.valueBytes)),
            ),
          },
        ],
      ];

      it.each(fields)('refuses a batch that breaks one, naming %s', async (field, parts) => {
        const error = await rejection(parts);
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', violations: [{ field }] });
        expect(store.read((snapshot) => snapshot.revision)).toBe(0);
      });

      it('names every problem of a batch at once', async () => {
        const error = await rejection({
          puts: [newRow(portKey('a b'), 'x', indexEntry('', '')), newRow(portKey('c d'))],
          outbox: [newMessage('')],
        });
        expect(error).toMatchObject({ violationTotal: 4 });
      });

      it.each([0, -1, 1.5, Number.NaN, LIMITS.pageItems + 1])(
        'refuses to read or forget %d items',
        (limit) => {
          const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
          expect(() => store.read((snapshot) => snapshot.list('Port', { limit }))).toThrow(AppError);
          expect(() => store.read((snapshot) => snapshot.find('i', 'v', limit))).toThrow(AppError);
          expect(() => store.read((snapshot) => snapshot.pendingMessages(limit))).toThrow(AppError);
          return expect(store.forgetAnswersBefore(1, limit)).rejects.toEqual(invalid);
        },
      );

      it('refuses more waiting commits than its queue holds, and writes those that it took', async () => {
        const results = await Promise.all(Array.from({ length: 20_000 }, () => commit({})));
        const taken = results.filter(({ ok }) => ok).length;
        const refused = results.filter((result) => !result.ok);
        expect(taken).toBeGreaterThanOrEqual(10_000);
        expect(refused.length).toBeGreaterThan(0);
        expect(refused[0]).toMatchObject({
          error: { kind: 'unavailable', error: { code: 'RESOURCE_EXHAUSTED', reason: 'STORE_QUEUE_FULL' } },
        });
        expect(store.read((snapshot) => snapshot.revision)).toBe(taken);
        expect((await commit({})).ok).toBe(true);
      });
    });
  });
}
