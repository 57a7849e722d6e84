/**
 * True if `observed` has everything that `wanted` says: plain data, compared field by field, arrays element by element
 * and in length. What `wanted` does not mention may be anything: that is the care mask.
 */
export function satisfies(wanted: unknown, observed: unknown): boolean {
  if (wanted === observed) return true;
  if (typeof wanted !== 'object' || typeof observed !== 'object' || wanted === null || observed === null)
    return false;
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(observed) &&
      wanted.length === observed.length &&
      wanted.every((element, index) => satisfies(element, observed[index]))
    );
  }
  for (const field in wanted) {
    const value = (wanted as Record<string, unknown>)[field];
    if (value !== undefined && !satisfies(value, (observed as Record<string, unknown>)[field])) return false;
  }
  return true;
}

/** The first field in which they differ, in words: `mtu is 1500 instead of 1450`; undefined if it satisfies. */
export function difference(wanted: unknown, observed: unknown, path = ''): string | undefined {
  if (satisfies(wanted, observed)) return undefined;
  const record = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (record(wanted) && record(observed)) {
    for (const [field, value] of Object.entries(wanted)) {
      if (value === undefined) continue;
      const inner = difference(value, observed[field], path === '' ? field : `${path}.${field}`);
      if (inner !== undefined) return inner;
    }
  }
  const text = (value: unknown): string => (value === undefined ? 'absent' : JSON.stringify(value));
  return `${path === '' ? 'it' : path} is ${text(observed)} instead of ${text(wanted)}`;
}
