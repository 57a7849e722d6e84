// Checks that more than one of the CNFs makes.
import { isIP } from 'node:net';

/** What is wrong with an IPv4 or IPv6 prefix such as `10.1.0.0/16`; undefined: nothing. */
export function prefixProblem(prefix) {
  const [, address, length] = /^([^/]+)\/([0-9]{1,3})$/.exec(prefix) ?? [];
  const family = isIP(address ?? '');
  const bits = family === 6 ? 128 : 32;
  return family === 0 || Number(length) > bits ? 'must be an IPv4 or IPv6 prefix' : undefined;
}

/** 4 or 6. */
export const familyOf = (prefix) => (prefix.includes(':') ? 6 : 4);

/** Values that are there twice, of a field of each of a list: violations for all but the first. */
export function duplicates(list, path, field) {
  const seen = new Set();
  return list.flatMap((each, index) => {
    const known = seen.has(each[field]);
    seen.add(each[field]);
    return known ? [{ field: `${path}[${index}].${field}`, description: 'must be unique' }] : [];
  });
}
