import type { Problems } from '@outboard/core';

export type JsonRecord = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is JsonRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * A field of any letter case, the exact one first: containerd writes the names of the fields of Go's structures
 * (`IngressRate`), which Go's own plugins do not notice.
 */
export function fieldOf(record: JsonRecord, name: string): unknown {
  if (Object.hasOwn(record, name)) return record[name];
  const key = Object.keys(record).find((each) => each.toLowerCase() === name.toLowerCase());
  return key === undefined ? undefined : record[key];
}

/** Reads fields of one JSON object, with every problem collected under the path of its field. */
export class RecordReader {
  constructor(
    private readonly record: JsonRecord,
    private readonly path: string,
    readonly problems: Problems,
  ) {}

  /** Undefined: absent (or null, or of another type, which is a problem). */
  text(name: string): string | undefined {
    return this.#read(name, (value): value is string => typeof value === 'string', 'must be a string');
  }

  flag(name: string, absent: boolean): boolean {
    const isFlag = (value: unknown): value is boolean => typeof value === 'boolean';
    return this.#read(name, isFlag, 'must be true or false') ?? absent;
  }

  texts(name: string, maximum: number): readonly string[] {
    const isTexts = (value: unknown): value is readonly string[] =>
      Array.isArray(value) && value.length <= maximum && value.every((each) => typeof each === 'string');
    return this.#read(name, isTexts, `must be a list of at most ${maximum} strings`) ?? [];
  }

  count(name: string): number | undefined {
    const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
    return this.#read(name, isCount, 'must be a whole number');
  }

  /** Of strings only. */
  map(name: string, maximum: number): Readonly<Record<string, string>> | undefined {
    const isMap = (value: unknown): value is Readonly<Record<string, string>> =>
      isRecord(value) &&
      Object.keys(value).length <= maximum &&
      Object.values(value).every((each) => typeof each === 'string');
    return this.#read(name, isMap, `must be an object of at most ${maximum} strings`);
  }

  child(name: string): RecordReader {
    const record = this.#read(name, isRecord, 'must be an object');
    return new RecordReader(record ?? {}, this.pathOf(name), this.problems);
  }

  has(name: string): boolean {
    const value = fieldOf(this.record, name);
    return value !== undefined && value !== null;
  }

  pathOf(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  #read<Value>(name: string, isValid: (value: unknown) => value is Value, rule: string): Value | undefined {
    const value = fieldOf(this.record, name);
    if (value === undefined || value === null) return undefined;
    if (isValid(value)) return value;
    this.problems.addMalformed(this.pathOf(name), rule);
    return undefined;
  }
}
