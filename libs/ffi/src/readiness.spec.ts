import { readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';
import { libc } from './libc.js';
import { watchReadable } from './readiness.js';

const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

it('many descriptors wait on one thread: files are still read while 32 of them are silent', async () => {
  const descriptors = Array.from({ length: 32 }, () => libc.eventfd());
  const seen: number[] = [];
  let finish = (): void => undefined;
  const all = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const watches = descriptors.map((descriptor, index) =>
    watchReadable(descriptor, () => {
      libc.read(descriptor, Buffer.alloc(8));
      seen.push(index);
      if (seen.length === descriptors.length) finish();
    }),
  );
  try {
    expect(await readFile('/proc/self/comm', 'utf8')).not.toBe('');
    for (const descriptor of descriptors) libc.write(descriptor, ONE);
    await all;
    expect(seen.sort((a, b) => a - b)).toEqual(descriptors.map((_, index) => index));
  } finally {
    for (const watch of watches) watch[Symbol.dispose]();
    for (const descriptor of descriptors) libc.close(descriptor);
  }
});

it('what was not read is told again; what was disposed is not told', async () => {
  const [noisy, quiet] = [libc.eventfd(), libc.eventfd()];
  let calls = 0;
  let quietCalls = 0;
  const silenced = watchReadable(quiet, () => {
    quietCalls++;
  });
  await new Promise<void>((resolve) => {
    const watch = watchReadable(noisy, () => {
      silenced[Symbol.dispose]();
      libc.write(quiet, ONE);
      if (++calls < 3) return;
      watch[Symbol.dispose]();
      resolve();
    });
    libc.write(noisy, ONE);
  });
  expect([calls, quietCalls]).toEqual([3, 0]);
  libc.close(noisy);
  libc.close(quiet);
});
