import { describe, expect, it } from '@jest/globals';
import { MAX_BODY_BYTES } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { Collector } from './collector.js';
import { message, refusal, textOf, type World } from './world.js';

export function publishContract(world: World): void {
  describe('publish', () => {
    it('the acknowledgement names stream and sequence', async () => {
      const { stream, root } = await world.stream();
      const first = unwrap(await world.bus.publish(`${root}.a`, message('1'), { messageId: 'one' }));
      const second = unwrap(await world.bus.publish(`${root}.b`, message('2'), { messageId: 'two' }));
      expect(first).toEqual({ stream, sequence: 1, duplicate: false });
      expect(second).toEqual({ stream, sequence: 2, duplicate: false });
    });

    it('the same id is stored once, and told as a duplicate with the first sequence', async () => {
      const { stream, root } = await world.stream();
      const results = [];
      for (const text of ['first', 'again', 'once more']) {
        results.push(unwrap(await world.bus.publish(`${root}.a`, message(text), { messageId: 'same' })));
      }
      expect(results).toEqual([
        { stream, sequence: 1, duplicate: false },
        { stream, sequence: 1, duplicate: true },
        { stream, sequence: 1, duplicate: true },
      ]);
      const [end] = await world.publish([`${root}.a`, 'end']);
      expect(end).toBe(2);
    });

    it('many at once are stored in the order of the calls', async () => {
      const { stream, root } = await world.stream();
      const acknowledged = await Promise.all(
        Array.from({ length: 500 }, (_, index) =>
          world.bus.publish(`${root}.a`, message(String(index)), { messageId: `id-${index}` }),
        ),
      );
      expect(acknowledged.map((one) => unwrap(one).sequence)).toEqual(
        Array.from({ length: 500 }, (_, index) => index + 1),
      );
      const read = new Collector<string>();
      world.keep(
        await world.bus.watch(
          { stream, filterSubject: `${root}.>`, from: 0 },
          { message: (received) => read.add(textOf(received)) },
        ),
      );
      expect(await read.atLeast(500)).toEqual(Array.from({ length: 500 }, (_, index) => String(index)));
    });

    it('a subject that no stream captures is refused, and named', async () => {
      const error = refusal(await world.bus.publish('no.stream.here', message(), { messageId: 'x' }));
      expect(error).toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'STREAM_MISSING' });
      expect(error.message).toContain('no.stream.here');
    });

    it('a bad subject, id and body are refused together, before anything is sent', async () => {
      const body = new Uint8Array(MAX_BODY_BYTES + 1);
      const error = refusal(
        await world.bus.publish('a b', { headers: {}, body }, { messageId: 'has spaces' }),
      );
      expect(error.code).toBe('INVALID_ARGUMENT');
      expect(error.violations.map(({ field }) => field)).toEqual(['subject', 'body', 'messageId']);
    });

    it('a header may not give another message id than the call', async () => {
      const { root } = await world.stream();
      const other = message('', { 'Nats-Msg-Id': 'one' });
      expect(refusal(await world.bus.publish(`${root}.a`, other, { messageId: 'two' }))).toMatchObject({
        code: 'INVALID_ARGUMENT',
        violations: [{ field: 'headers["Nats-Msg-Id"]' }],
      });
      unwrap(await world.bus.publish(`${root}.a`, other, { messageId: 'one' }));
    });

    it('a message larger than the stream allows is refused', async () => {
      const { root } = await world.stream({ maxMessageBytes: 1_000 });
      unwrap(await world.bus.publish(`${root}.a`, message('x'.repeat(500)), { messageId: 'fits' }));
      const tooLarge = await world.bus.publish(`${root}.a`, message('x'.repeat(1_001)), {
        messageId: 'large',
      });
      expect(refusal(tooLarge)).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'BODY_TOO_LARGE' });
    });

    it('a full stream that refuses says RESOURCE_EXHAUSTED; one that discards forgets the oldest', async () => {
      const refusing = await world.stream({ maxBytes: 4_000, whenFull: 'refuse' });
      const results = [];
      for (let index = 0; index < 8; index++) {
        const body = message('x'.repeat(1_000));
        results.push(await world.bus.publish(`${refusing.root}.a`, body, { messageId: `m${index}` }));
      }
      expect(results[0]?.ok).toBe(true);
      expect(refusal(results[7] ?? { ok: true, value: 'nothing' })).toMatchObject({
        code: 'RESOURCE_EXHAUSTED',
        reason: 'STREAM_FULL',
      });

      const counted = await world.stream({ maxMessages: 2, whenFull: 'refuse' });
      await world.publish([`${counted.root}.a`, '1'], [`${counted.root}.a`, '2']);
      const third = await world.bus.publish(`${counted.root}.a`, message('3'), { messageId: '3' });
      expect(refusal(third)).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'STREAM_FULL' });

      const discarding = await world.stream({ maxBytes: 4_000 });
      for (let index = 0; index < 8; index++) {
        await world.publish([`${discarding.root}.a`, String(index).repeat(1_000)]);
      }
      const kept = new Collector<string>();
      world.keep(
        await world.bus.watch(
          { stream: discarding.stream, filterSubject: `${discarding.root}.>`, from: 0 },
          {
            message: (received) => kept.add(textOf(received).slice(0, 1)),
            current: () => kept.add('current'),
          },
        ),
      );
      const seen = await kept.until((items) => items.includes('current'));
      expect(seen.slice(-2)).toEqual(['7', 'current']);
      expect(seen).not.toContain('0');
    });
  });

  describe('streams', () => {
    it('provisioning creates what is missing, changes what differs, and leaves the rest', async () => {
      const spec = world.specOf(world.name());
      const provision = async (wanted: typeof spec) =>
        unwrap(await world.bus.streams.provision([wanted], 'apply'));
      const [made] = await provision(spec);
      const madeAt = made?.madeAt;
      expect(madeAt).toBeGreaterThan(0);
      expect(made).toEqual({ stream: spec.name, action: 'created', differences: [], madeAt });
      expect(await provision(spec)).toEqual([
        { stream: spec.name, action: 'unchanged', differences: [], madeAt },
      ]);
      const changed = { ...spec, maxAgeMilliseconds: 600_000, maxBytes: 1_000_000 };
      expect(await provision(changed)).toEqual([
        {
          stream: spec.name,
          action: 'updated',
          differences: [
            'maxAgeMilliseconds: is 0, should be 600000',
            'maxBytes: is 8388608, should be 1000000',
          ],
          madeAt,
        },
      ]);
      expect(await provision(changed)).toMatchObject([{ action: 'unchanged' }]);
    });

    it('what cannot be changed in place is refused, and nothing else is changed', async () => {
      const one = world.specOf(world.name());
      const two = world.specOf(world.name());
      unwrap(await world.bus.streams.provision([one, two], 'apply'));
      const wanted = [
        { ...one, maxBytes: 1_000_000 },
        { ...two, storage: 'memory' as const, retention: 'workqueue' as const },
      ];
      expect(refusal(await world.bus.streams.provision(wanted, 'apply'))).toMatchObject({
        code: 'FAILED_PRECONDITION',
        reason: 'STREAMS_DIFFER',
        violations: [
          {
            field: `${two.name}.storage`,
            description: 'storage: is "file", should be "memory"; cannot be changed in place',
          },
          { field: `${two.name}.retention` },
        ],
      });
      expect(unwrap(await world.bus.streams.provision([one, two], 'verify'))).toMatchObject([
        { action: 'unchanged' },
        { action: 'unchanged' },
      ]);
    });

    it('verifying changes nothing and lists every difference', async () => {
      const one = world.specOf(world.name());
      const two = world.specOf(world.name());
      unwrap(await world.bus.streams.provision([one], 'apply'));
      const wanted = [{ ...one, maxBytes: 1_000_000 }, two];
      for (const _ of ['once', 'twice']) {
        expect(refusal(await world.bus.streams.provision(wanted, 'verify'))).toMatchObject({
          code: 'FAILED_PRECONDITION',
          reason: 'STREAMS_DIFFER',
          violations: [{ field: `${one.name}.maxBytes` }, { field: two.name, description: 'does not exist' }],
        });
      }
    });

    it('a message can be removed once', async () => {
      const { stream, root } = await world.stream();
      const [first = 0] = await world.publish([`${root}.a`, 'x'], [`${root}.a`, 'y']);
      expect(unwrap(await world.bus.streams.remove(stream, first))).toBe(true);
      expect(unwrap(await world.bus.streams.remove(stream, first))).toBe(false);
      expect(refusal(await world.bus.streams.remove('NO-SUCH', 1))).toMatchObject({
        reason: 'STREAM_MISSING',
      });
    });
  });
}
