/** Longest subject or pattern, characters: every subject of the contract is far shorter. */
const MAX_SUBJECT_LENGTH = 512;

const SUBJECT = /^[^\s.*>\0]+(\.[^\s.*>\0]+)*$/;
const PATTERN = /^(\*|[^\s.*>\0]+)(\.(\*|[^\s.*>\0]+))*(\.>)?$/;

/** True for a subject that a message can be sent to: no wildcards, no empty tokens. */
export const isSubject = (text: string): boolean => text.length <= MAX_SUBJECT_LENGTH && SUBJECT.test(text);

/** True for a subject that may be subscribed to: `*` stands for one token, a last `>` for one or more. */
export const isPattern = (text: string): boolean =>
  text.length <= MAX_SUBJECT_LENGTH && (text === '>' || PATTERN.test(text));

export const SUBJECT_RULE = `must be 1-${MAX_SUBJECT_LENGTH} characters: tokens joined by dots, without spaces, * or >`;
export const PATTERN_RULE = `must be 1-${MAX_SUBJECT_LENGTH} characters: tokens joined by dots, * for one, > at the end for more`;

/** A function that tells which subjects a pattern matches. */
export function matcher(pattern: string): (subject: string) => boolean {
  if (!/[*>]/.test(pattern)) return (subject) => subject === pattern;
  const wanted = pattern.split('.');
  return (subject) => {
    const tokens = subject.split('.');
    for (const [index, token] of wanted.entries()) {
      if (token === '>') return tokens.length > index;
      if (index >= tokens.length || (token !== '*' && token !== tokens[index])) return false;
    }
    return tokens.length === wanted.length;
  };
}

/** True when some subject matches both patterns. */
export function overlaps(one: string, other: string): boolean {
  const first = one.split('.');
  const second = other.split('.');
  for (let index = 0; ; index++) {
    const a = first[index];
    const b = second[index];
    if (a === undefined || b === undefined) return a === b;
    if (a === '>' || b === '>') return true;
    if (a !== '*' && b !== '*' && a !== b) return false;
  }
}

/** True when every subject that `inner` matches is matched by `outer` too. */
export function covers(outer: string, inner: string): boolean {
  const wide = outer.split('.');
  const narrow = inner.split('.');
  for (let index = 0; ; index++) {
    const a = wide[index];
    const b = narrow[index];
    if (a === '>') return b !== undefined;
    if (a === undefined || b === undefined) return a === b;
    if (b === '>' || (a !== '*' && a !== b)) return false;
  }
}
