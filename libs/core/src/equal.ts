/** Whether two plain values (what JSON can hold, and undefined) are the same. An absent field equals an undefined one. */
export function equal(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left) || Array.isArray(right)) {
    if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
    return left.every((item, index) => equal(item, right[index]));
  }
  const fields = left as Record<string, unknown>;
  const others = right as Record<string, unknown>;
  for (const name in fields) if (!equal(fields[name], others[name])) return false;
  for (const name in others) if (fields[name] === undefined && others[name] !== undefined) return false;
  return true;
}
