/**
 * An application in a pod. It sends a file to its counterpart in another pod over TCP, and each has its part done by its
 * own acceleration session: the sender compresses and encrypts, the receiver decrypts, verifies and decompresses.
 *
 *     file-transfer send|receive FILE IP PORT PROGRAM TOKEN DIRECTORY...
 *
 * DIRECTORY: the session's, on each DPU of the host. The token is 64 hexadecimal digits. Prints lines of JSON: `ready`,
 * `progress` with every MiB of plain data, `done` with what became of its jobs.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { PassThrough, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  AccelerationClient,
  newestOf,
  OpeningStream,
  readSession,
  SealingStream,
} from '@outboard/acceleration-client';

const STEP = 1 << 20;

const [mode = '', file = '', ip = '', port = '', program = '', token = '', ...directories] =
  process.argv.slice(2);
const locate = newestOf(directories, Buffer.from(token, 'hex'));
const client = new AccelerationClient({ locate });
const places: { readonly directory: string; readonly epoch: number }[] = [];

const tell = (event: string, more: object = {}): void => console.log(JSON.stringify({ event, ...more }));

/** Where the session is now, if it is somewhere else than before. */
async function notePlace(): Promise<void> {
  const { directory } = await locate();
  const { epoch } = await readSession(directory);
  if (places.at(-1)?.epoch !== epoch) places.push({ directory, epoch });
}

function counted(): Transform {
  let bytes = 0;
  let told = 0;
  const stream = new PassThrough();
  stream.on('data', (piece: Buffer) => {
    bytes += piece.length;
    if (bytes - told < STEP) return;
    told = bytes;
    tell('progress', { bytes });
  });
  return stream;
}

async function send(): Promise<void> {
  tell('ready');
  const socket = await new Promise<Socket>((resolve, reject) => {
    const opened = connect({ host: ip, port: Number(port) }, () => resolve(opened));
    opened.once('error', reject);
  });
  await pipeline(createReadStream(file), counted(), new SealingStream(client, Number(program)), socket);
}

async function receive(): Promise<void> {
  const server = createServer();
  const incoming = new Promise<Socket>((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen(Number(port), ip, resolve));
  tell('ready');
  const socket = await incoming;
  server.close();
  await pipeline(socket, new OpeningStream(client, Number(program)), counted(), createWriteStream(file));
}

await notePlace();
await (mode === 'send' ? send() : receive());
await notePlace();
tell('done', { ...client.activity, places });
client[Symbol.dispose]();
