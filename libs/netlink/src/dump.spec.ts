import { describe, expect, it } from '@jest/globals';
import { type MessageVisitor, NLMSG, visitMessages } from './channel.js';
import { sourceOf, Writer } from './codec/bytes.js';
import { DecodeError } from './codec/errors.js';
import { NLM_F } from './codec/family.js';
import { type DumpChannel, takeDump } from './dump.js';
import { link } from './families/link.js';

type Part = {
  readonly names?: readonly string[];
  readonly flags?: number;
  readonly end?: number;
  readonly noise?: boolean;
};

const header = (length: number, type: number, flags: number, sequence: number): Buffer => {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(length);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.writeUInt32LE(sequence, 8);
  return bytes;
};

function datagram({ names = [], flags = 0, end, noise }: Part, sequence: number): Buffer {
  const messages: Buffer[] = [];
  for (const ifname of names) {
    const writer = new Writer();
    link.write(writer, { ifname });
    const body = writer.bytes.subarray(0, writer.length);
    messages.push(
      Buffer.concat([header(16 + body.length, link.newType, NLM_F.MULTI | flags, sequence), body]),
    );
  }
  if (noise === true) messages.push(Buffer.concat([header(20, link.newType, 0, sequence), Buffer.alloc(4)]));
  if (end !== undefined) {
    const status = Buffer.alloc(4);
    status.writeInt32LE(-end);
    messages.push(Buffer.concat([header(20, NLMSG.DONE, NLM_F.MULTI | flags, sequence), status]));
  }
  return Buffer.concat(messages);
}

/** A kernel that answers each dump request with the next script. */
class ScriptedChannel implements DumpChannel {
  #sequence = 0;
  #parts: Part[] = [];
  requests = 0;

  constructor(readonly scripts: Part[][]) {}

  reserve(): number {
    return ++this.#sequence;
  }

  send(): void {
    expect(this.#parts).toEqual([]);
    this.#parts = [...(this.scripts[this.requests++] ?? [])];
  }

  receive(visit: MessageVisitor): boolean {
    const part = this.#parts.shift();
    if (part === undefined) return false;
    const bytes = datagram(part, this.#sequence);
    visitMessages(sourceOf(bytes), bytes.length, visit);
    return true;
  }

  get unread(): number {
    return this.#parts.length;
  }
}

const take = async (channel: ScriptedChannel): Promise<unknown> =>
  await takeDump(channel, new Writer(), link.dump(), ({ ifname }) => ifname);

const EINTR = 4;
const EOPNOTSUPP = 95;

describe('a dump', () => {
  it('of many parts is one list', async () => {
    const parts = Array.from({ length: 30 }, (_, index) => ({ names: [`a${index}`, `b${index}`] }));
    const channel = new ScriptedChannel([[...parts, { end: 0 }]]);
    expect(await take(channel)).toHaveLength(60);
    expect(channel.requests).toBe(1);
  });

  it('that the kernel marks as interrupted, in a part or at the end, is taken again', async () => {
    const channel = new ScriptedChannel([
      [{ names: ['old'], flags: NLM_F.DUMP_INTR }, { end: 0 }],
      [{ names: ['old'] }, { end: 0, flags: NLM_F.DUMP_INTR }],
      [{ names: ['old'] }, { end: EINTR }],
      [{ names: ['new'] }, { end: 0 }],
    ]);
    expect(await take(channel)).toEqual(['new']);
    expect(channel.requests).toBe(4);
  });

  it('that is always interrupted ends in EINTR after 5 attempts', async () => {
    const channel = new ScriptedChannel(
      new Array(9).fill([{ names: ['x'], flags: NLM_F.DUMP_INTR, end: 0 }]),
    );
    await expect(take(channel)).rejects.toMatchObject({ code: 'EINTR', request: 'get link' });
    expect(channel.requests).toBe(5);
  });

  it('that the kernel refuses throws its error', async () => {
    await expect(take(new ScriptedChannel([[{ end: EOPNOTSUPP }]]))).rejects.toMatchObject({
      code: 'EOPNOTSUPP',
    });
  });

  it('that cannot be decoded is read to its end all the same, so that the next one can start', async () => {
    const channel = new ScriptedChannel([
      [{ noise: true }, { names: ['a'] }, { end: 0 }],
      [{ names: ['b'], end: 0 }],
    ]);
    await expect(take(channel)).rejects.toThrow(DecodeError);
    expect(channel.unread).toBe(0);
    expect(await take(channel)).toEqual(['b']);
  });

  it('without an end is a DecodeError, not a short list', async () => {
    await expect(take(new ScriptedChannel([[{ names: ['a'] }]]))).rejects.toThrow(
      'ended without its end mark',
    );
  });
});
