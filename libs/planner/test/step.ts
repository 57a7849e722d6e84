import fc from 'fast-check';
import type { Lab } from './lab.js';

/** One thing that can happen to a planner, on few enough names that the steps of a history meet each other. */
export interface Step {
  run(lab: Lab): void;
  /** How a failing history is printed. */
  [fc.toStringMethod](): string;
}

/** Steps of one sort: what each is made from is what a failing history prints. */
export const steps = <Input>(
  name: string,
  inputs: fc.Arbitrary<Input>,
  run: (lab: Lab, input: Input) => void,
) =>
  inputs.map(
    (input): Step => ({
      run: (lab) => run(lab, input),
      [fc.toStringMethod]: () => `${name}(${fc.stringify(input)})`,
    }),
  );

export const NETWORKS = ['blue', 'red', 'fabric'] as const;
export const PREFIXES = { blue: '10.0.0', red: '10.0.1', fabric: '10.0.2' } as const;
export const SUBNETS = {
  'blue-v4': { network: 'blue', cidr: '10.0.0.0/29' },
  'blue-v6': { network: 'blue', cidr: '2001:db8::/64' },
  'red-v4': { network: 'red', cidr: '10.0.1.0/29' },
  'fabric-v4': { network: 'fabric', cidr: '10.0.2.0/29' },
} as const;
export const DPUS = ['dpu-1', 'dpu-2', 'dpu-3'] as const;
export const PORTS = ['web-0', 'web-1', 'web-2', 'db-0', 'db-1'] as const;
export const FUNCTIONS = 2;

export const maybe = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(arbitrary, { nil: undefined });
