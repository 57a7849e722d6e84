import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { searchMemory } from '@outboard/testkit';

/** A secret may be torn where a store ends a page: half of it is found as well. */
const PARTS = 2;
const SHORTEST_TEXT = 16;

/** What a secret looks like, in bytes, hexadecimal, base64, base64url and as a list of numbers. */
export class Traces {
  readonly #needles: readonly { readonly form: string; readonly bytes: Buffer }[];

  constructor(secret: Uint8Array) {
    const length = secret.length / PARTS;
    this.#needles = Array.from({ length: PARTS }, (_, part) =>
      Buffer.from(secret.subarray(part * length, (part + 1) * length)),
    ).flatMap(formsOf);
  }

  /** The forms in which it is in these bytes. */
  in(bytes: Buffer): readonly string[] {
    return distinct(this.#needles.filter((needle) => bytes.includes(needle.bytes)).map(({ form }) => form));
  }

  /** The forms in which it is in the memory of a process; the caller must be root. */
  inMemory(pid: number): readonly string[] {
    const counts = searchMemory(
      pid,
      this.#needles.map(({ bytes }) => bytes),
    );
    return distinct(this.#needles.filter((_, index) => (counts[index] ?? 0) > 0).map(({ form }) => form));
  }

  /** Files below a directory that have it, with its forms. */
  inFiles(directory: string): ReadonlyMap<string, readonly string[]> {
    const found = new Map<string, readonly string[]>();
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const forms = this.in(readFileSync(path));
      if (forms.length > 0) found.set(path, forms);
    }
    return found;
  }
}

function formsOf(bytes: Buffer): { form: string; bytes: Buffer }[] {
  const text = (form: string, value: string) => ({ form, bytes: Buffer.from(value) });
  return [
    { form: 'raw', bytes },
    text('hex', bytes.toString('hex')),
    text('hex', bytes.toString('hex').toUpperCase()),
    text('numbers', [...bytes].join(',')),
    ...[0, 1, 2].flatMap((before) => [
      text('base64', withinBase64(bytes, before, 'base64')),
      text('base64url', withinBase64(bytes, before, 'base64url')),
    ]),
  ];
}

/** What is the same of the text whatever stands before (so many bytes, modulo 3) and behind. */
function withinBase64(bytes: Buffer, before: number, encoding: 'base64' | 'base64url'): string {
  const whole = Buffer.concat([Buffer.alloc(before), bytes]);
  const text = whole.toString(encoding).replace(/=+$/, '');
  const inner = text.slice(Math.ceil((before * 8) / 6), Math.floor((whole.length * 8) / 6));
  if (inner.length < SHORTEST_TEXT) throw new RangeError('too short a secret to be told from chance');
  return inner;
}

const distinct = (forms: readonly string[]): readonly string[] => [...new Set(forms)].sort();
