import { describe, expect, it } from '@jest/globals';
import { encodeHeaders } from './wire.js';

/** What the client's `publish` sends of it. */
const sent = (...given: Parameters<typeof encodeHeaders>): string | undefined => {
  const encoded = encodeHeaders(...given) as unknown as { encode(): Uint8Array } | undefined;
  return encoded && Buffer.from(encoded.encode()).toString();
};

describe('headers on the wire', () => {
  it('are lines of a block, the message id last and once', () => {
    const headers = { 'Nats-Msg-Id': 'other', 'ce-source': '/admin' };
    expect(sent(headers, 'id-1')).toBe('NATS/1.0\r\nce-source: /admin\r\nNats-Msg-Id: id-1\r\n\r\n');
  });

  it('are absent where there are none', () => {
    expect(sent({})).toBeUndefined();
  });

  it('keep what a value says of further headers within the value', () => {
    expect(sent({ a: 'b\r\nNats-Expected-Stream: X\n\nc' })).toBe(
      'NATS/1.0\r\na: b Nats-Expected-Stream: X c\r\n\r\n',
    );
  });
});
