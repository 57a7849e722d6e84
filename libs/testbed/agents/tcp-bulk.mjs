// One end of a TcpBulk probe (src/probes/tcp-bulk.ts): a process of its own, so that filling a link does not occupy
// the process that measures other things meanwhile. Plain JavaScript, for it is run both from src and from dist.
//   tcp-bulk.mjs listen <port>         sends to or receives from whoever connects
//   tcp-bulk.mjs connect <ip> <port> <direction>...   opens a connection for each: forward sends, backward receives
// Prints JSON lines: {"event":"ready","port"}, then for what it receives {"event":"interval","direction","at","bytes"}
// every 100 ms and {"event":"stall","direction","at","milliseconds"} for 200 ms and more without a byte. `at` is
// milliseconds since the epoch.
import { connect, createServer } from 'node:net';

const INTERVAL_MILLISECONDS = 100;
const STALL_MILLISECONDS = 200;
const CHUNK = Buffer.alloc(256 * 1024, 'outboard');
/** The first byte of a connection: which way its stream goes, as seen from the connecting side. */
const FORWARD = 0x3e;
const BACKWARD = 0x3c;

const now = () => performance.timeOrigin + performance.now();
const print = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

/** Writes for as long as the connection lives, as fast as it takes it. */
function pump(socket) {
  const fill = () => {
    while (!socket.destroyed && socket.write(CHUNK));
  };
  socket.on('drain', fill);
  fill();
}

/** Counts what arrives. */
function measure(direction) {
  let bytes = 0;
  let lastAt = now();
  const tell = () => {
    print({ event: 'interval', direction, at: now(), bytes });
    bytes = 0;
  };
  const tellStall = (at) => {
    const milliseconds = at - lastAt;
    if (milliseconds >= STALL_MILLISECONDS) print({ event: 'stall', direction, at: lastAt, milliseconds });
  };
  const timer = setInterval(tell, INTERVAL_MILLISECONDS);
  return {
    take(length) {
      const at = now();
      tellStall(at);
      lastAt = at;
      bytes += length;
    },
    end() {
      clearInterval(timer);
      tellStall(now());
      tell();
    },
  };
}

const meters = [];
function receive(socket, direction) {
  const meter = measure(direction);
  meters.push(meter);
  socket.on('data', (chunk) => meter.take(chunk.length));
}

function listen(port) {
  const server = createServer({ highWaterMark: 1 << 20 }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (first) => {
      if (first[0] === FORWARD) receive(socket, 'forward');
      else pump(socket);
    });
  });
  server.listen(port, '::', () => print({ event: 'ready', port: server.address().port }));
}

function open(ip, port, directions) {
  let connected = 0;
  for (const direction of directions) {
    const socket = connect({ host: ip, port, highWaterMark: 1 << 20 });
    socket.on('error', (failure) => {
      print({ event: 'failed', direction, code: failure.code });
      process.exit(1);
    });
    socket.on('connect', () => {
      socket.write(Buffer.of(direction === 'forward' ? FORWARD : BACKWARD));
      if (direction === 'forward') pump(socket);
      else receive(socket, direction);
      if (++connected === directions.length) print({ event: 'ready' });
    });
  }
}

process.on('SIGTERM', () => {
  for (const meter of meters) meter.end();
  process.exit(0);
});

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'listen') listen(Number(rest[0]));
else open(rest[0], Number(rest[1]), rest.slice(2));
