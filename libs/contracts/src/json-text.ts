import type { Problems } from '@outboard/core';
import { MAX_BODY_BYTES } from './headers.js';

/**
 * The value of a JSON text (RFC 8259), given as a string or as UTF-8 bytes of at most `MAX_BODY_BYTES`.
 * Undefined: the problem is in `problems`. Unlike `JSON.parse`, a key that is given twice is refused: which of its
 * values was meant is unknown.
 */
export function parseJsonText(input: string | Uint8Array, problems: Problems): unknown {
  // A string has at least as many UTF-8 bytes as code units.
  if (input.length > MAX_BODY_BYTES) {
    problems.addMalformed('', `is ${input.length} bytes long; must be at most ${MAX_BODY_BYTES}`);
    return undefined;
  }
  let text: string;
  try {
    text = typeof input === 'string' ? input : UTF_8.decode(input);
  } catch {
    problems.addMalformed('', 'is not valid UTF-8');
    return undefined;
  }
  const parsed = parseDistinct(text);
  if (parsed !== undefined) return parsed.value;
  const fault = findJsonFault(text);
  if (fault === undefined) return JSON.parse(text);
  const before = text.slice(0, fault.position).split('\n');
  const place = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
  problems.addMalformed('', `is not valid JSON: ${fault.description} at ${place}`);
  return undefined;
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The value of a text in which no key is given twice: the engine's own parser is several times faster than looking for
 * the place of a fault. Undefined: there is one.
 */
function parseDistinct(text: string): { readonly value: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return countKeys(value) === countKeyTexts(text) ? { value } : undefined;
  } catch {
    return undefined;
  }
}

/** Keys in all objects of a value. Iterative, so that no nesting overflows the stack. */
function countKeys(value: unknown): number {
  let count = 0;
  const open = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const items: unknown[] = Array.isArray(next) ? next : Object.values(next);
    if (!Array.isArray(next)) count += items.length;
    for (const item of items) if (typeof item === 'object' && item !== null) open.push(item);
  }
  return count;
}

/** Keys in the text of a JSON value: strings before a colon. */
function countKeyTexts(text: string): number {
  let count = 0;
  for (let start = text.indexOf('"'); start >= 0; ) {
    let end = start;
    do end = text.indexOf('"', end + 1);
    while (isEscaped(text, end));
    let after = end + 1;
    while (isSpace(text.charCodeAt(after))) after++;
    if (text[after] === ':') count++;
    start = text.indexOf('"', after);
  }
  return count;
}

/** Whether the character there has an odd number of backslashes before it. */
function isEscaped(text: string, position: number): boolean {
  let before = position;
  while (text.charCodeAt(before - 1) === 0x5c) before--;
  return (position - before) % 2 === 1;
}

export interface JsonFault {
  /** Offset in UTF-16 code units. */
  readonly position: number;
  readonly description: string;
}

type Expected = 'a value' | 'a value or ]' | 'a key or }' | 'a key' | ':' | ', or }' | ', or ]' | 'the end';

/** Sticky: a number or literal at `lastIndex`. */
const LITERAL = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null/y;

const HEXADECIMAL = /^[0-9a-fA-F]{4}$/;

/**
 * The first place where a text breaks the grammar of JSON or repeats a key; undefined: there is none.
 * Iterative, so that no nesting overflows the stack.
 */
export function findJsonFault(text: string): JsonFault | undefined {
  /** The keys of every open object, undefined for an open array; the innermost is last. */
  const open: (Set<string> | undefined)[] = [];
  let expected: Expected = 'a value';
  let position = 0;

  const afterValue = (): Expected => {
    if (open.length === 0) return 'the end';
    return open.at(-1) === undefined ? ', or ]' : ', or }';
  };

  for (;;) {
    while (isSpace(text.charCodeAt(position))) position++;
    const unexpected: JsonFault = { position, description: `expected ${expected}` };
    const character = text[position];
    if (character === undefined) return expected === 'the end' ? undefined : unexpected;

    switch (expected) {
      case 'the end':
        return unexpected;
      case ':':
        if (character !== ':') return unexpected;
        position++;
        expected = 'a value';
        break;
      case 'a key':
      case 'a key or }': {
        if (character === '}' && expected === 'a key or }') {
          open.pop();
          position++;
          expected = afterValue();
          break;
        }
        if (character !== '"') return unexpected;
        const end = endOfString(text, position);
        if (typeof end !== 'number') return end;
        const key: string = JSON.parse(text.slice(position, end));
        const keys = open.at(-1);
        if (keys?.has(key)) {
          return { position, description: `key ${JSON.stringify(key.slice(0, 64))} given twice` };
        }
        keys?.add(key);
        position = end;
        expected = ':';
        break;
      }
      case ', or }':
      case ', or ]':
        if (character === ',') {
          expected = expected === ', or }' ? 'a key' : 'a value';
        } else if (character === expected.at(-1)) {
          open.pop();
          expected = afterValue();
        } else return unexpected;
        position++;
        break;
      case 'a value':
      case 'a value or ]':
        if (character === '{') {
          open.push(new Set());
          position++;
          expected = 'a key or }';
        } else if (character === '[') {
          open.push(undefined);
          position++;
          expected = 'a value or ]';
        } else if (character === ']' && expected === 'a value or ]') {
          open.pop();
          position++;
          expected = afterValue();
        } else if (character === '"') {
          const end = endOfString(text, position);
          if (typeof end !== 'number') return end;
          position = end;
          expected = afterValue();
        } else {
          LITERAL.lastIndex = position;
          if (!LITERAL.test(text)) return unexpected;
          position = LITERAL.lastIndex;
          expected = afterValue();
        }
    }
  }
}

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

/** The position after the closing quote of the string that starts at `start`. */
function endOfString(text: string, start: number): number | JsonFault {
  for (let position = start + 1; position < text.length; position++) {
    const code = text.charCodeAt(position);
    if (code === 0x22) return position + 1;
    if (code < 0x20) return { position, description: 'control character in a string' };
    if (code !== 0x5c) continue;
    const escaped = text[++position];
    if (escaped === 'u') {
      if (!HEXADECIMAL.test(text.slice(position + 1, position + 5))) {
        return { position: position - 1, description: 'expected four hexadecimal digits after \\u' };
      }
      position += 4;
    } else if (escaped === undefined || !'"\\/bfnrt'.includes(escaped)) {
      return { position: position - 1, description: 'unknown escape in a string' };
    }
  }
  return { position: start, description: 'string without end' };
}
