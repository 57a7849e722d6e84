import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { FRAME, HEADER_BYTES, type Header, headerOf, readHeader, writeHeader } from '@outboard/acceleration';
import { QueuePair } from '../src/queue-pair.js';

/** Answers each HELLO with a WELCOME, and each SUBMIT with `answer`. */
let answer: (submitted: Header) => { readonly header: Header; readonly payload: Uint8Array };
let directory: string;
let server: Server;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'outboard-broken-worker-'));
  server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      const header = readHeader(new DataView(Uint8Array.from(bytes).buffer), 0);
      if (header.type === FRAME.HELLO)
        send(socket, headerOf(FRAME.WELCOME, { grantedJobs: 4, grantedUnits: 4 }));
      if (header.type !== FRAME.SUBMIT) return;
      const { header: completion, payload } = answer(header);
      send(socket, completion, payload);
    });
  });
  await new Promise<void>((resolve) => server.listen(join(directory, 'socket'), resolve));
});
afterEach(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

function send(socket: Socket, header: Header, payload: Uint8Array = new Uint8Array()): void {
  header.inlineLength = payload.length;
  const bytes = new Uint8Array(HEADER_BYTES);
  writeHeader(new DataView(bytes.buffer), 0, header);
  socket.write(Buffer.concat([bytes, payload]));
}

it.each([
  ['has room for it in memory of its own', undefined],
  ['was given a buffer', new Uint8Array(16)],
])('a client that is given more output than it asked for leaves the worker: it %s', async (_, output) => {
  answer = ({ jobLow, jobHigh }) => ({
    header: headerOf(FRAME.COMPLETE, { jobLow, jobHigh, outputLength: 17 }),
    payload: new Uint8Array(17),
  });
  const pair = await QueuePair.connect({
    path: join(directory, 'socket'),
    token: new Uint8Array(32),
    epoch: 1,
    sharedBytes: 0,
    rings: false,
    timeoutMilliseconds: 5_000,
  });
  const job = { id: 1, program: 1, input: new Uint8Array(8), outputLength: 16, metadata: [], output };
  await expect(pair.submit({ ...job, deadlineMicroseconds: 0 })).rejects.toMatchObject({
    status: 'UNAVAILABLE',
  });
  expect(pair.isOpen).toBe(false);
});
