import { Problems } from '@outboard/core';

/** The environment variables of a process, read with every problem collected. */
export class EnvironmentReader {
  readonly problems = new Problems();

  constructor(private readonly variables: Readonly<Record<string, string | undefined>>) {}

  /**
   * The value of a variable. Not set, or empty, is the same: then it is `absent`, or a problem without one.
   * `rule` completes "must be ...". After a problem the value is not to be used.
   */
  read(name: string, isValid: (value: string) => boolean, rule: string, absent?: string): string {
    const value = this.variables[name] || absent;
    if (value === undefined) this.problems.add(name, `must be set: ${rule}`);
    else if (!isValid(value)) this.problems.add(name, `must be ${rule}`);
    return value ?? '';
  }

  /** One of a closed set. */
  oneOf<Value extends string>(name: string, values: readonly Value[], absent?: Value): Value {
    const isOne = (value: string): boolean => values.some((each) => each === value);
    return this.read(name, isOne, `one of ${values.join(', ')}`, absent) as Value;
  }

  /** A whole number within bounds, both inclusive. */
  integer(name: string, minimum: number, maximum: number, absent?: number): number {
    const isWithin = (value: string): boolean =>
      /^[0-9]{1,15}$/.test(value) && Number(value) >= minimum && Number(value) <= maximum;
    const rule = `a whole number, ${minimum}-${maximum}`;
    return Number(this.read(name, isWithin, rule, absent === undefined ? undefined : String(absent)));
  }

  /** An absolute path. */
  path(name: string): string {
    return this.read(name, isPath, 'an absolute path');
  }

  /** An absolute path, or undefined when it is not set. */
  optionalPath(name: string): string | undefined {
    return this.read(name, (value) => value === '' || isPath(value), 'an absolute path', '') || undefined;
  }
}

const isPath = (value: string): boolean => value.startsWith('/');
