import type { DescField, DescMessage } from '@bufbuild/protobuf';

/** The steps of a path in JSON notation: `spec.addresses[1].ip`, `metadata.labels["a/b"]`. */
export function parsePath(path: string): (string | number)[] {
  const steps: (string | number)[] = [];
  const step = /\.?([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/y;
  while (step.lastIndex < path.length) {
    const [, name, index, quoted] = step.exec(path) ?? [];
    if (name !== undefined) steps.push(name);
    else if (index !== undefined) steps.push(Number(index));
    else if (quoted !== undefined) steps.push(JSON.parse(quoted));
    else throw new Error(`${path} is no path`);
  }
  return steps;
}

/** True when messages of that type can have something at that path. */
export function existsInSchema(schema: DescMessage, path: string): boolean {
  let message: DescMessage | undefined = schema;
  let field: DescField | undefined;
  for (const step of parsePath(path)) {
    if (field?.fieldKind === 'list' && typeof step === 'number') {
      message = field.message;
      field = undefined;
    } else if (field?.fieldKind === 'map' && typeof step === 'string') {
      message = field.message;
      field = undefined;
    } else {
      if (message === undefined) return false;
      field = message.fields.find(({ jsonName }) => jsonName === step);
      if (field === undefined) return false;
      message = field.fieldKind === 'message' ? field.message : undefined;
      if (field.fieldKind === 'list' || field.fieldKind === 'map') message = undefined;
    }
  }
  return true;
}

/** True when the JSON value has something at that path. */
export function existsInJson(value: unknown, path: string): boolean {
  let current: unknown = value;
  for (const step of parsePath(path)) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return false;
    current = (current as Record<string | number, unknown>)[step];
  }
  return true;
}
