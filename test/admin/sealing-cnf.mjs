// A CNF that does nothing by itself: what it is given, the engines of its DPU compress and encrypt, and open again.
import { readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { AccelerationClient, OpeningStream, SealingStream } from '@outboard/acceleration-client';

const { OUTBOARD_ACCELERATION, OUTBOARD_DIRECTORY } = process.env;
const directory = `${OUTBOARD_ACCELERATION}/sealing`;
const token = Buffer.from(readFileSync(`${directory}.token`, 'utf8').trim(), 'hex');
const client = new AccelerationClient({ locate: () => ({ directory, token }), timeoutMilliseconds: 3_000 });

async function seal({ text }) {
  const sealed = await buffer(Readable.from([Buffer.from(text)]).pipe(new SealingStream(client, 1)));
  const opened = await buffer(Readable.from([sealed]).pipe(new OpeningStream(client, 2)));
  return { given: text.length, sealed: sealed.length, isSame: opened.toString() === text };
}

const description = { interfaces: [{ name: 'sealing', version: '1.0.0', methods: [{ name: 'seal' }] }] };

const server = createServer(async (request, response) => {
  const answer = (status, value) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  if (request.url === '/health') return answer(200, {});
  if (request.url === '/interfaces') return answer(200, description);
  try {
    answer(200, await seal(JSON.parse((await buffer(request)).toString())));
  } catch (failure) {
    answer(500, { code: 13, status: 'INTERNAL', message: String(failure) });
  }
});

const socket = `${OUTBOARD_DIRECTORY}/interfaces.sock`;
rmSync(socket, { force: true });
server.listen(socket);
process.on('SIGTERM', () => process.exit(0));
