/**
 * Items in groups that can each be worked off at once, by rank: referents before those that refer to them, or, with
 * `reverse`, those that refer before their referents. Within a group the order stays.
 */
export function waves<Item>(
  items: Iterable<Item>,
  rankOf: (item: Item) => number,
  order: 'forward' | 'reverse' = 'forward',
): Item[][] {
  const groups: Item[][] = [];
  for (const item of items) {
    const rank = rankOf(item);
    const group = groups[rank];
    if (group === undefined) groups[rank] = [item];
    else group.push(item);
  }
  const present = groups.filter((group) => group !== undefined);
  return order === 'forward' ? present : present.reverse();
}
