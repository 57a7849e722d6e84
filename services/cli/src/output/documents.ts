import type { Terminal } from '../terminal.js';

/** A `List` in JSON, or a document of YAML for each item. */
export function writeItems(
  terminal: Terminal,
  items: readonly object[],
  output: 'json' | 'yaml',
): Promise<void> {
  return output === 'json' ? writeJson(terminal, { kind: 'List', items }) : writeYaml(terminal, items);
}

export const writeJson = (terminal: Terminal, value: object): Promise<void> =>
  terminal.write(`${JSON.stringify(value, null, 2)}\n`);

/** `before`: what separates the first of them from what was written before. */
export async function writeYaml(
  terminal: Terminal,
  documents: readonly object[],
  before = '',
): Promise<void> {
  // Loaded when it is asked for: most commands write tables, and start sooner without it.
  const { stringify } = await import('yaml');
  await terminal.write(before + documents.map((document) => stringify(document)).join('---\n'));
}
