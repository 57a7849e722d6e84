import {
  FLAG,
  FRAME,
  HEADER_BYTES,
  type Header,
  headerOf,
  readHeader,
  statusName,
  writeHeader,
} from '@outboard/acceleration';
import { libc, SharedMemory, SystemError, unixSocket, watchReadable } from '@outboard/ffi';
import { AcceleratorError } from './accelerator-error.js';

export interface HelloOptions {
  readonly path: string;
  readonly token: Uint8Array;
  readonly epoch: number;
  /** Bytes of shared memory; 0: everything goes over the socket. */
  readonly sharedBytes: number;
  readonly rings: boolean;
  readonly batches?: boolean;
  /** Within which the worker must answer, now and to each job. */
  readonly timeoutMilliseconds: number;
}

/** A connection that was granted. */
export interface Granted {
  readonly descriptor: number;
  readonly welcome: Header;
  readonly region: SharedMemory | undefined;
}

/** Connects and says HELLO. Rejects with UNAVAILABLE when nobody answers, or with the status of the refusal. */
export async function hello(options: HelloOptions): Promise<Granted> {
  const descriptor = connect(options.path);
  try {
    unixSocket.send(descriptor, helloFrame(options));
    await readable(descriptor, options.timeoutMilliseconds);
    const bytes = new Uint8Array(HEADER_BYTES);
    const { count, passed } = unixSocket.receiveDescriptor(descriptor, bytes);
    if (count !== HEADER_BYTES) throw new AcceleratorError('UNAVAILABLE', 0, 'the worker hung up');
    const welcome = readHeader(new DataView(bytes.buffer), 0);
    if (welcome.code !== 0) throw new AcceleratorError(statusName(welcome.code));
    const region = passed === undefined ? undefined : SharedMemory.map(passed, welcome.inputOffset);
    return { descriptor, welcome, region };
  } catch (failure) {
    libc.close(descriptor);
    throw failure;
  }
}

function connect(path: string): number {
  try {
    return unixSocket.connect(path);
  } catch (failure) {
    if (failure instanceof SystemError) throw new AcceleratorError('UNAVAILABLE', 0, failure.message);
    throw failure;
  }
}

function helloFrame({ token, epoch, sharedBytes, rings, batches }: HelloOptions): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + token.length);
  const header = headerOf(FRAME.HELLO, {
    inlineLength: token.length,
    epoch,
    flags:
      (sharedBytes > 0 ? FLAG.INPUT_SHARED : 0) |
      (sharedBytes > 0 && rings ? FLAG.RINGS : 0) |
      (batches ? FLAG.BATCHES : 0),
    inputOffset: sharedBytes,
  });
  writeHeader(new DataView(frame.buffer), 0, header);
  frame.set(token, HEADER_BYTES);
  return frame;
}

function readable(descriptor: number, milliseconds: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      watcher[Symbol.dispose]();
      reject(new AcceleratorError('UNAVAILABLE', 0, `no answer within ${milliseconds} ms`));
    }, milliseconds);
    const watcher = watchReadable(descriptor, () => {
      clearTimeout(timer);
      watcher[Symbol.dispose]();
      resolve();
    });
  });
}
