import { expect, it } from '@jest/globals';
import { BREAKER_FAILURES, BREAKER_PAUSE_MILLISECONDS, CircuitBreaker } from './circuit-breaker.js';
import type { EngineModule, Implementation, ModuleLoader, Offload } from './engine.js';
import { EngineSet } from './engine-set.js';
import type { BreakerChange } from './engine-unit.js';
import { ArmedFault, type Fault, JobDropped } from './fault.js';
import { node } from './modules/node.js';

const real = node.open();
const SHA_256 = { operation: 'GENERATE', algorithm: 'SHA_256' } as const;
const FAULT: Fault = {
  ...SHA_256,
  id: '1',
  kind: 'FAIL',
  module: '',
  count: 0,
  interval: 1,
  delayMilliseconds: 0,
};

const loaderOf = (name: string, implementation: Implementation = 'SOFTWARE_RUNTIME'): ModuleLoader => ({
  name,
  open: (): EngineModule => ({
    ...real,
    name,
    implementation,
    engines: { SHA_256: real.engines.SHA_256 as never },
  }),
});

/** SHA-256 by two modules, and what became of breakers. */
function twoModules() {
  const changes: BreakerChange[] = [];
  const engines = EngineSet.open([loaderOf('first'), loaderOf('second')], (change) => changes.push(change));
  const failover = engines.failover('GENERATE', 'SHA_256', 0);
  if (failover === undefined) throw new Error('no engine');
  const output = new Uint8Array(32);
  const run = (): string => {
    failover.run(3, output, (engine) => {
      if (engine.kind === 'digest') engine.digest(Buffer.from('abc'), output);
    });
    return `${failover.used.candidate.module} ${Buffer.from(output).toString('hex').slice(0, 8)}`;
  };
  return { engines, changes, run };
}

it('a breaker opens after failures in a row, lets one job try after each pause, and closes when that succeeds', () => {
  let now = 0;
  const breaker = new CircuitBreaker(() => now);
  for (let index = 1; index < BREAKER_FAILURES; index++) expect(breaker.failed()).toBe(false);
  breaker.succeeded();
  for (let index = 1; index < BREAKER_FAILURES; index++) breaker.failed();
  expect([breaker.state, breaker.allows()]).toEqual(['CLOSED', true]);
  expect([breaker.failed(), breaker.state, breaker.allows()]).toEqual([true, 'OPEN', false]);
  now += BREAKER_PAUSE_MILLISECONDS;
  expect([breaker.allows(), breaker.allows()]).toEqual([true, false]);
  expect([breaker.failed(), breaker.allows()]).toEqual([false, false]);
  now += BREAKER_PAUSE_MILLISECONDS;
  expect([breaker.allows(), breaker.succeeded(), breaker.state]).toEqual([true, true, 'CLOSED']);
});

it('where a module fails the next does the job; one that fails again and again is skipped and told', () => {
  const { engines, changes, run } = twoModules();
  engines.setFaults([ArmedFault.arm({ ...FAULT, module: 'first' })]);
  for (let index = 0; index < 2 * BREAKER_FAILURES; index++) expect(run()).toBe('second ba7816bf');
  expect(engines.activity()).toMatchObject([
    { module: 'first', jobs: 0, failures: BREAKER_FAILURES, breaker: 'OPEN', opened: 1 },
    { module: 'second', jobs: 2 * BREAKER_FAILURES, failures: 0, inputBytes: 6 * BREAKER_FAILURES },
  ]);
  expect(changes).toEqual([{ ...SHA_256, module: 'first', breaker: 'OPEN', reason: 'fault 1 was injected' }]);
});

it('when all modules fail or are skipped the job fails', () => {
  const { engines, run } = twoModules();
  engines.setFaults([ArmedFault.arm(FAULT)]);
  for (let index = 0; index < BREAKER_FAILURES; index++) expect(run).toThrow('was injected');
  expect(run).toThrow('every module that does it is skipped');
});

it('a fault is done to as many jobs as it says, at its interval, whatever threads they are on', () => {
  const { engines, run } = twoModules();
  const other = twoModules();
  const armed = ArmedFault.arm({ ...FAULT, kind: 'CORRUPT', count: 2, interval: 3 });
  engines.setFaults([armed]);
  other.engines.setFaults([ArmedFault.attach(armed.offer)]);
  const outcomes = Array.from({ length: 12 }, (_, index) => (index % 2 === 0 ? run() : other.run()));
  const wrong = outcomes.flatMap((outcome, index) => (outcome === 'first ba7816bf' ? [] : [index]));
  expect([wrong, armed.injected]).toEqual([[0, 3], 2]);
});

it('a dropped job is tried by nobody else, and a fault that was cleared is done to nobody', () => {
  const { engines, run } = twoModules();
  const armed = ArmedFault.arm({ ...FAULT, kind: 'DROP' });
  engines.setFaults([armed]);
  expect(run).toThrow(JobDropped);
  armed.clear();
  expect(run()).toBe('first ba7816bf');
});

it('what must be in hardware is never done by software, and what must not be is never done by hardware', () => {
  const engines = EngineSet.open([loaderOf('card', 'HARDWARE'), loaderOf('library')]);
  const output = new Uint8Array(32);
  const modules = (offload: Offload): string[] => {
    const failover = engines.failover('GENERATE', 'SHA_256', 0, offload);
    return failover?.units.map(({ candidate }) => candidate.module) ?? [];
  };
  expect([modules('PREFERRED'), modules('REQUIRED'), modules('NEVER')]).toEqual([
    ['card', 'library'],
    ['card'],
    ['library'],
  ]);
  engines.setFaults([ArmedFault.arm({ ...FAULT, module: 'card' })]);
  const run = (offload: Offload): string | undefined => {
    const failover = engines.failover('GENERATE', 'SHA_256', 0, offload);
    failover?.run(3, output, (engine) => {
      if (engine.kind === 'digest') engine.digest(Buffer.from('abc'), output);
    });
    return failover?.used.candidate.module;
  };
  expect(run('PREFERRED')).toBe('library');
  expect(() => run('REQUIRED')).toThrow('injected');
  expect(run('NEVER')).toBe('library');
  expect(
    EngineSet.open([loaderOf('library')]).failover('GENERATE', 'SHA_256', 0, 'REQUIRED'),
  ).toBeUndefined();
});
