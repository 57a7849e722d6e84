/**
 * One network-intent process on a real nats-server: a backlog of port intents goes through validation, planning, store
 * and outbox, for each durability; and what publishing the same intents to JetStream costs alone.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectNats, STREAMS, type StreamBus } from '@outboard/bus';
import { SUBJECT_PREFIX } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { Program, SERVICE_FLAGS } from '@outboard/testbed';
import { type NatsServer, startNatsServer } from '@outboard/testkit';
import { note, report } from '../report.js';
import { sized } from '../sizes.js';
import { Fleet, networkIntents, portIntent, publishIntents } from './fleet.js';

const BENCH = 'intent';
const PORTS = sized(40_000, 400);
/** Handled before the clock starts: V8 has compiled what is hot, SQLite and the kernel know the files. */
const WARM_UP = sized(8_000, 100);
const BAR = 5_000;

const main = fileURLToPath(new URL('../../../../services/network-intent/dist/main.js', import.meta.url));

/** Counts the answers to intents of ports as they are published. */
class Answers {
  #accepted = 0;
  #refused = 0;
  #reached: { readonly count: number; readonly resolve: () => void }[] = [];

  static async follow(bus: StreamBus): Promise<Answers> {
    const answers = new Answers();
    await bus.subscribe(`${SUBJECT_PREFIX}.event.*.network.port.*.*`, ({ subject }) =>
      answers.#take(subject),
    );
    return answers;
  }

  /** Resolves when so many were accepted. */
  accepted(count: number): Promise<void> {
    return new Promise((resolve) => this.#reached.push({ count, resolve }));
  }

  #take(subject: string): void {
    if (subject.endsWith('.refused')) this.#refused++;
    if (this.#refused > 0) throw new Error(`${subject}: no intent of this benchmark may be refused`);
    if (!subject.endsWith('.accepted')) return;
    this.#accepted++;
    for (const { count, resolve } of this.#reached) if (count === this.#accepted) resolve();
  }
}

async function measure(durability: 'NORMAL' | 'FULL', server: NatsServer, folder: string): Promise<void> {
  const bus = await connectNats({ servers: server.url, name: 'bench' });
  unwrap(await bus.streams.provision(STREAMS, 'apply'));
  const fleet = new Fleet(PORTS);
  await fleet.publishInventory(bus);
  const service = new Program({
    name: 'network-intent',
    command: [process.execPath, '--enable-source-maps', ...SERVICE_FLAGS, main],
    logFile: join(folder, `${durability}.log`),
    environment: {
      OUTBOARD_NATS_URL: server.url,
      OUTBOARD_DATA_DIRECTORY: join(folder, durability),
      OUTBOARD_STORE_DURABILITY: durability,
    },
  });
  try {
    await service.start();
    const answers = await Answers.follow(bus);
    await publishIntents(bus, networkIntents());
    await fleet.projected(bus);
    const ports = Array.from({ length: PORTS }, (_, index) => portIntent(fleet, index));
    const warm = answers.accepted(WARM_UP);
    await publishIntents(bus, ports.slice(0, WARM_UP));
    await warm;

    // All are in the stream before the first is taken, so that their publisher costs the service nothing.
    service.signal('SIGSTOP');
    const backlog = ports.slice(WARM_UP);
    const startedPublishing = performance.now();
    await publishIntents(bus, backlog);
    const published = (backlog.length / (performance.now() - startedPublishing)) * 1_000;
    const before = service.usage().cpuMilliseconds;
    const all = answers.accepted(PORTS);
    const started = performance.now();
    service.signal('SIGCONT');
    await all;
    const rate = (backlog.length / (performance.now() - started)) * 1_000;
    const { cpuMilliseconds, residentBytes } = service.usage();
    report({
      bench: BENCH,
      metric: `intents/s in one process, ${durability}, against bare JetStream publish`,
      value: rate,
      unit: '/s',
      baseline: published,
      ratio: rate / published,
      bar: `value >= ${BAR}/s`,
      ok: rate >= BAR,
    });
    report({
      bench: BENCH,
      metric: `processor time of one intent, ${durability}`,
      value: ((cpuMilliseconds - before) / backlog.length) * 1_000,
      unit: 'us',
      baseline: null,
      ratio: null,
      bar: null,
      ok: true,
    });
    note(`${backlog.length} intents, the service has ${Math.round(residentBytes / 2 ** 20)} MiB`);
  } finally {
    await service.dispose();
    await bus[Symbol.asyncDispose]();
  }
}

for (const durability of ['NORMAL', 'FULL'] as const) {
  const folder = mkdtempSync(join(tmpdir(), 'outboard-bench-'));
  const server = await startNatsServer();
  try {
    await measure(durability, server, folder);
  } finally {
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  }
}
