import { type BatchFailure, type Message, NetlinkError, type NetlinkSocket } from '@outboard/netlink';
import type { OperationResult } from '../driver.js';

/** Busy, interrupted, short of memory or buffers: passes by itself. */
const PASSING = new Set(['EAGAIN', 'EBUSY', 'EINTR', 'ENOBUFS', 'ENOMEM']);
const UNSUPPORTED = new Set(['EOPNOTSUPP', 'EPROTONOSUPPORT', 'EAFNOSUPPORT']);

/** What a refusal of the kernel means. */
export function resultOfFailure({ code, message }: { code: string; message: string }): OperationResult {
  const error = { code, message: message === '' ? 'the kernel refused it' : message };
  if (PASSING.has(code)) return { kind: 'retry', error };
  if (UNSUPPORTED.has(code)) return { kind: 'unsupported', why: `${error.message} (${code})` };
  return { kind: 'failed', error };
}

export function resultOfThrown(failure: unknown): OperationResult {
  if (failure instanceof NetlinkError)
    return resultOfFailure({ code: failure.code, message: failure.kernelMessage });
  const code = failure instanceof Error && 'code' in failure ? String(failure.code) : 'UNKNOWN';
  return resultOfFailure({ code, message: failure instanceof Error ? failure.message : String(failure) });
}

/** A message on behalf of the operation at `index`; some refusals mean that there was nothing to do. */
export interface Step {
  readonly socket: NetlinkSocket;
  readonly index: number;
  readonly message: Message;
  /** Codes that count as success. */
  readonly tolerate?: readonly string[];
}

/** Sends steps, those of one socket in one batch; the first failure of each operation, by its index. */
export async function sendSteps(
  steps: readonly Step[],
  options: { readonly offThread?: boolean } = {},
): Promise<ReadonlyMap<number, BatchFailure>> {
  const bySocket = new Map<NetlinkSocket, Step[]>();
  for (const step of steps) {
    const own = bySocket.get(step.socket);
    if (own === undefined) bySocket.set(step.socket, [step]);
    else own.push(step);
  }
  const failed = new Map<number, BatchFailure>();
  for (const [socket, own] of bySocket) {
    const messages = own.map(({ message }) => message);
    const result = await (options.offThread === true
      ? socket.batchOffThread(messages)
      : socket.batch(messages));
    for (const failure of result.failures) {
      const step = own[failure.index];
      if (step === undefined || step.tolerate?.includes(failure.code) || failed.has(step.index)) continue;
      failed.set(step.index, failure);
    }
  }
  return failed;
}
