import type { DriverObject, Operation, Spec } from '../driver.js';

/** Keys of what an object cannot be without. */
const needsOf = ({ after, requires = [], within }: DriverObject<Spec>): string[] => [
  ...after,
  ...requires,
  ...(within === undefined ? [] : [within]),
];

/** Notes what is made, and passes every operation on. */
export const noting =
  <S extends Spec>(graph: Map<string, DriverObject<S>>) =>
  (operation: Operation<S>): undefined => {
    if (operation.action !== 'delete') graph.set(operation.object.key, operation.object);
  };

/** Keys of the objects of a kind, and of all that need one of them or rely on it as a part of a whole. */
export function harmedBy(graph: ReadonlyMap<string, DriverObject<Spec>>, kind: string): ReadonlySet<string> {
  const harmed = new Set<string>();
  const incomplete = new Set<string>();
  for (let before = -1; before < harmed.size; ) {
    before = harmed.size;
    for (const [key, object] of graph) {
      const { spec, partOf, closed } = object;
      const isHarmed =
        spec.kind === kind ||
        needsOf(object).some((need) => harmed.has(need)) ||
        closed?.without.some((whole) => incomplete.has(whole));
      if (!isHarmed) continue;
      harmed.add(key);
      if (partOf !== undefined) incomplete.add(partOf);
    }
  }
  return harmed;
}

/** Keys of the objects of a kind, of what these need, and of what is to go with any of those: as long as they stay, it may. */
export function stayingWith(
  graph: ReadonlyMap<string, DriverObject<Spec>>,
  kind: string,
): ReadonlySet<string> {
  const staying = new Set<string>();
  const waiting = [...graph.values()].filter(({ spec }) => spec.kind === kind);
  for (let object = waiting.pop(); object !== undefined; object = waiting.pop()) {
    if (staying.has(object.key)) continue;
    staying.add(object.key);
    waiting.push(...needsOf(object).flatMap((need) => graph.get(need) ?? []));
  }
  for (let before = -1; before < staying.size; ) {
    before = staying.size;
    for (const [key, { within }] of graph) if (within !== undefined && staying.has(within)) staying.add(key);
  }
  return staying;
}
