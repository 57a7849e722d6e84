/**
 * The worker's part of attaching one port: from the hand-over of its delta to the report that it was read back, against
 * the same kernel objects written by hand (`bare-attach.ts`), in turn.
 */
import { systemClock } from '@outboard/core';
import { namespacePrefix, Testbed } from '@outboard/testbed';
import { quantile, report, timed } from '../report.js';
import { removeRoutersAtEnd } from '../routers.js';
import { sized } from '../sizes.js';
import { BareAttach } from './bare-attach.js';
import { NETWORK_ENTRIES, portEntry } from './document.js';
import { Worker } from './worker.js';

const BENCH = 'intent';
/** Ports that are attached before anything counts: until then V8 compiles. */
const WARM_UP = sized(100, 5);
const SAMPLES = sized(300, 10);
const PAUSE_MILLISECONDS = 5;

const name = `att${process.pid.toString(36)}`;
const testbed = await Testbed.create({
  name,
  dpus: [
    {
      name: 'dpu-1',
      serialNumber: 'OB-BENCH-1',
      pfMacAddress: '02:0b:00:00:01:00',
      functions: WARM_UP + SAMPLES,
    },
  ],
});
const bare = await BareAttach.open(`${namespacePrefix(name)}bare-`, WARM_UP + SAMPLES);
removeRoutersAtEnd(name);
let worker: Worker | undefined;
try {
  worker = await Worker.start(name, testbed);
  const { documents } = worker;
  await worker.apply(documents.whole(NETWORK_ENTRIES));
  const [ours, byHand]: [number[], number[]] = [[], []];
  let processor = 0;
  for (let number = 0; number < WARM_UP + SAMPLES; number++) {
    const own = worker;
    const before = process.cpuUsage();
    const milliseconds = await timed(() => own.apply(documents.change([portEntry(number)]), 'Port'));
    const { user, system } = process.cpuUsage(before);
    await systemClock.delay(PAUSE_MILLISECONDS);
    const baseline = await bare.attach(number);
    await systemClock.delay(PAUSE_MILLISECONDS);
    if (number < WARM_UP) continue;
    ours.push(milliseconds);
    byHand.push(baseline);
    processor += (user + system) / 1_000 / SAMPLES;
  }
  for (const percent of [10, 50, 99]) {
    const value = quantile(ours, percent / 100);
    const baseline = quantile(byHand, percent / 100);
    report({
      bench: BENCH,
      metric: `one port attached and read back by the engine, p${percent}, against bare kernel`,
      value,
      unit: 'ms',
      baseline,
      ratio: baseline / value,
      bar: null,
      ok: true,
    });
  }
  report({
    bench: BENCH,
    metric: 'processor time of it, kernel included, mean',
    value: processor,
    unit: 'ms',
    baseline: null,
    ratio: null,
    bar: null,
    ok: true,
  });
} finally {
  await worker?.[Symbol.asyncDispose]();
  bare[Symbol.dispose]();
  await testbed.dispose();
}
