const PORTS = 0x10000;

/** Ports from `first` to `last`, as `value/mask` or alone: the fewest blocks of a power of two that are aligned to their size. */
export function portBlocks(first: number, last: number): (string | number)[] {
  const blocks: (string | number)[] = [];
  for (let port = first; port <= last; ) {
    let size = port === 0 ? PORTS : port & -port;
    while (port + size - 1 > last) size /= 2;
    blocks.push(size === 1 ? port : `${port}/${PORTS - size}`);
    port += size;
  }
  return blocks;
}
