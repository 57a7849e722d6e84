import { err, ok, type Problems } from '@outboard/core';
import { atMost } from '../../fields.js';
import type { Parser } from '../../values.js';

const MAX_PATH = 255;
const MAX_WORDS = 64;
const MAX_WORD_BYTES = 16_384;

/** An absolute path below `/` that says plainly where it leads. */
export const parseAbsolutePath: Parser<string, string> = (text) =>
  text.length <= MAX_PATH &&
  text.startsWith('/') &&
  !text.includes('\0') &&
  text
    .slice(1)
    .split('/')
    .every((step) => step !== '' && step !== '.' && step !== '..')
    ? ok(text)
    : err(`must be an absolute path of at most ${MAX_PATH} characters, without . and .. and double /`);

/** Words of a command line. */
export function parseWords(field: string, words: readonly string[], problems: Problems): void {
  atMost(problems, field, words, MAX_WORDS);
  const bytes = words.reduce((sum, word) => sum + Buffer.byteLength(word), 0);
  if (bytes > MAX_WORD_BYTES)
    problems.add(field, `must have at most ${MAX_WORD_BYTES} bytes together, not ${bytes}`);
  for (const [index, word] of words.slice(0, MAX_WORDS).entries())
    if (word.includes('\0')) problems.add(`${field}[${index}]`, 'must not have a zero byte');
}

/** A number within bounds; 0: absent. */
export function numberIn(
  field: string,
  value: number,
  { least, most, absent }: { readonly least: number; readonly most: number; readonly absent: number },
  problems: Problems,
): number {
  if (value === 0) return absent;
  if (value < least || value > most) problems.add(field, `must be ${least} to ${most}`);
  return value;
}
