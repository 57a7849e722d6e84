import { err, ok, type Problems } from '@outboard/core';
import type { Parser } from './values.js';

/** The value of a field that must be there. Undefined: the problem has been told. */
export function required<Value>(
  problems: Problems,
  field: string,
  text: string,
  parse: Parser<string, Value>,
): Value | undefined {
  if (text !== '') return optional(problems, field, text, parse);
  problems.add(field, 'is required');
  return undefined;
}

/** The value of a field that may be absent (empty or zero, as protobuf has it). Undefined: absent, or the problem has been told. */
export function optional<Input extends string | number, Value>(
  problems: Problems,
  field: string,
  input: Input,
  parse: Parser<Input, Value>,
): Value | undefined {
  if (input === '' || input === 0) return undefined;
  const result = parse(input);
  if (result.ok) return result.value;
  problems.add(field, result.error);
  return undefined;
}

/** A parser of a closed set of texts. */
export function oneOf<Value extends string>(values: readonly Value[]): Parser<string, Value> {
  const rule = `must be ${values.length === 1 ? values[0] : `one of ${values.join(', ')}`}`;
  return (text) => {
    const value = values.find((candidate) => candidate === text);
    return value === undefined ? err(rule) : ok(value);
  };
}

/** Tells when a list is longer than it may be; true: it is not. */
export function atMost(problems: Problems, field: string, items: readonly unknown[], most: number): boolean {
  if (items.length <= most) return true;
  problems.add(field, `must have at most ${most} items, not ${items.length}`);
  return false;
}

/** Tells of every item whose key an earlier item has. */
export function distinct<Item>(
  problems: Problems,
  items: readonly Item[],
  key: (item: Item) => string | undefined,
  fieldOf: (index: number) => string,
): void {
  const first = new Map<string, number>();
  for (const [index, item] of items.entries()) {
    const text = key(item);
    if (text === undefined) continue;
    const earlier = first.get(text);
    if (earlier === undefined) first.set(text, index);
    else problems.add(fieldOf(index), `must be given once; ${fieldOf(earlier)} has it already`);
  }
}

/** Every value, or undefined when one could not be parsed. */
export function all<Value>(values: readonly (Value | undefined)[]): readonly Value[] | undefined {
  return values.every((value) => value !== undefined) ? (values as readonly Value[]) : undefined;
}
