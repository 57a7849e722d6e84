import { describe, expect, it } from '@jest/globals';
import { NOW } from '../../test/samples.js';
import { formatInstances, readInstances } from './services.js';

const statistics = (name: string, id: string, endpoints: readonly object[] = []) => ({
  type: 'io.nats.micro.v1.stats_response',
  name,
  id,
  version: '0.1.0',
  started: '2026-11-22T09:08:00.000Z',
  endpoints,
});

describe('services', () => {
  it('are shown with every instance, how long it runs and how it does', () => {
    const endpoints = [
      { num_requests: 3, num_errors: 1, processing_time: 6_000_000, last_error: 'NOT_FOUND: no Port a' },
      { num_requests: 1, num_errors: 0, processing_time: 2_000_000, last_error: '' },
    ];
    const answers = [
      statistics('network-intent', 'id-2', endpoints),
      statistics('admin', 'id-3'),
      { ...statistics('network-intent', 'id-1'), problem: 'it does not publish' },
    ];
    const instances = readInstances([{ id: 'id-3', description: 'DPUs and functions' }], answers);
    expect(`\n${formatInstances(instances, NOW).join('\n')}\n`).toBe(`
SERVICE          VERSION   INSTANCE   UP    REQUESTS   ERRORS   MEAN     LAST-ERROR             PROBLEM
admin            0.1.0     id-3       60m   0          0        0.00ms   -                      -
network-intent   0.1.0     id-1       60m   0          0        0.00ms   -                      it does not publish
network-intent   0.1.0     id-2       60m   4          1        2.00ms   NOT_FOUND: no Port a   -
`);
    expect(instances[0]).toMatchObject({ name: 'admin', description: 'DPUs and functions' });
  });

  it('of others that answer in another way are shown as far as they tell', () => {
    const [instance] = readInstances([], [{ name: 'foreign', id: 'x', version: '9' }]);
    expect(instance).toEqual({
      name: 'foreign',
      id: 'x',
      version: '9',
      description: '',
      started: undefined,
      requests: 0,
      errors: 0,
      milliseconds: 0,
      lastError: '',
      problem: '',
    });
    expect(formatInstances(instance ? [instance] : [], NOW)[1]).toBe(
      'foreign   9         x          -    0          0        0.00ms   -            -',
    );
  });
});
