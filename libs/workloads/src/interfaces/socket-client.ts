import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import type { request as Request } from 'node:http';
import { AppError } from '@outboard/core';

/** linux/fcntl.h: a place in the file system, without opening what is there. */
const O_PATH = 0o10000000;

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: Uint8Array;
  readonly timeoutMilliseconds: number;
  /** Of the answer's body. */
  readonly maximumBytes: number;
}

export interface HttpResponse {
  readonly status: number;
  readonly body: Buffer;
}

/**
 * One request of HTTP/1.1 to a server that is not trusted, by its Unix socket. What the workload has put there is held on
 * to before it is looked at: a link to somebody else's socket is not followed. Throws AppError: UNAVAILABLE (nobody
 * listens, or the connection broke), DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED (the answer is too large).
 */
export async function askSocket(socket: string, wanted: HttpRequest): Promise<HttpResponse> {
  const descriptor = holdSocket(socket);
  try {
    // Loaded with the first CNF: a worker has to fit a DPU.
    const { request } = await import('node:http');
    // The link of a held descriptor leads to what is held; it is short, too (unix(7) has room for 108 bytes).
    return await ask(request, `/proc/self/fd/${descriptor}`, wanted);
  } finally {
    closeSync(descriptor);
  }
}

function holdSocket(path: string): number {
  let descriptor: number;
  try {
    descriptor = openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch {
    throw new AppError('UNAVAILABLE', 'it does not serve interfaces.sock');
  }
  if (fstatSync(descriptor).isSocket()) return descriptor;
  closeSync(descriptor);
  throw new AppError('UNAVAILABLE', 'interfaces.sock is no socket');
}

function ask(request: typeof Request, socketPath: string, wanted: HttpRequest): Promise<HttpResponse> {
  const { method, path, body, timeoutMilliseconds, maximumBytes } = wanted;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      socketPath,
      method,
      path,
      agent: false,
      maxHeaderSize: 8192,
      headers: {
        host: 'workload',
        connection: 'close',
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': body.length }),
      },
    });
    const fail = (error: AppError): void => {
      clearTimeout(timer);
      outgoing.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () => fail(new AppError('DEADLINE_EXCEEDED', `did not answer within ${timeoutMilliseconds} ms`)),
      timeoutMilliseconds,
    );
    outgoing.once('error', ({ message }) => fail(new AppError('UNAVAILABLE', message)));
    outgoing.once('response', (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maximumBytes)
          fail(new AppError('RESOURCE_EXHAUSTED', `answered with more than ${maximumBytes} bytes`));
        else chunks.push(chunk);
      });
      incoming.once('end', () => {
        clearTimeout(timer);
        resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks) });
      });
      incoming.once('error', ({ message }) => fail(new AppError('UNAVAILABLE', message)));
    });
    outgoing.end(body);
  });
}
