import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  appendMessage,
  type Channel,
  describe,
  NetlinkError,
  NLMSG,
  readAcknowledgement,
} from './channel.js';
import type { Writer } from './codec/bytes.js';
import { DecodeError } from './codec/errors.js';
import { NLM_F, type Request } from './codec/family.js';

/** After so many parts (32 KiB each) a dump lets the event loop run. */
const PARTS_PER_TURN = 4;
const ATTEMPTS = 5;

/** What a dump needs of its channel. */
export type DumpChannel = Pick<Channel, 'reserve' | 'send' | 'receive'>;

/** What to keep of a value; undefined: nothing. */
export type Keep<Output, Kept> = (value: Output) => Kept | undefined;

/** What `keep` makes of the values of one consistent picture, taken again while the kernel says that the table changed under it. */
export async function takeDump<Output, Kept>(
  channel: DumpChannel,
  writer: Writer,
  request: Request<Output>,
  keep: Keep<Output, Kept>,
): Promise<Kept[]> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const values = await dumpOnce(channel, writer, request, keep);
    if (values !== undefined) return values;
  }
  throw new NetlinkError(describe(request), constants.errno.EINTR, 'the table kept changing');
}

async function dumpOnce<Output, Kept>(
  channel: DumpChannel,
  writer: Writer,
  request: Request<Output>,
  keep: Keep<Output, Kept>,
): Promise<Kept[] | undefined> {
  const sequence = channel.reserve(1);
  writer.length = 0;
  appendMessage(writer, request, sequence);
  channel.send(writer);
  const values: Kept[] = [];
  let interrupted = false;
  let done = false;
  let refusal: unknown;
  for (let part = 1; !done; part++) {
    if (part % PARTS_PER_TURN === 0) await nextTurn();
    const more = channel.receive((type, flags, answers, source, offset, end) => {
      if (answers !== sequence) return;
      if (flags & NLM_F.DUMP_INTR) interrupted = true;
      if (type === NLMSG.DONE || type === NLMSG.ERROR) {
        done = true;
        const { errno, message } = readAcknowledgement(type, source, offset, end, flags);
        if (errno === constants.errno.EINTR) interrupted = true;
        else if (errno !== 0) refusal ??= new NetlinkError(describe(request), errno, message);
      } else if (type === request.family.newType && refusal === undefined) {
        // A dump must be read to its end even if it cannot be used: until then the kernel starts no other.
        try {
          const value = keep(request.family.read(source, offset, end));
          if (value !== undefined) values.push(value);
        } catch (failure) {
          refusal = failure;
        }
      }
    });
    if (!more && !done) throw new DecodeError(`the ${request.family.name} dump ended without its end mark`);
  }
  if (refusal !== undefined) throw refusal;
  return interrupted ? undefined : values;
}
