import { readFileSync } from 'node:fs';
import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import type { DescriptorProto, FileDescriptorSet } from '@bufbuild/protobuf/wkt';
import { MAX_BODY_BYTES, MAX_JSON_VALUES } from '@outboard/contracts';
import { MAX_LISTED_VIOLATIONS, unwrap } from '@outboard/core';
import { parse } from 'yaml';
import {
  type AnyKind,
  apiVersionOf,
  CONDITION_TYPES,
  KINDS,
  kindToken,
  parseManifest,
} from '../src/index.js';

/** The comments of the protos, by full name of message or field. */
type Comments = ReadonlyMap<string, string>;

/** docs/resources.md: what the protos and the kinds say, in one place for people. */
export function renderResources(protos: FileDescriptorSet): string {
  const comments = commentsOf(protos);
  return `${[INTRODUCTION, metadataSection(comments), ...KINDS.map((kind) => section(kind, comments))].join('\n\n')}\n`;
}

const INTRODUCTION = `# Resources

Generated from the protos and \`libs/model\` by \`npm run docs:resources\`; a test fails when it is stale.

Every resource has the Kubernetes object shape: \`apiVersion\`, \`kind\`, \`metadata\`, \`spec\` (what a caller wants) and
\`status\` (what is). Its JSON is the canonical JSON form of the protos: names in lowerCamel, absent fields left out
(also \`0\`, \`false\`, \`""\` and empty lists), 64-bit numbers as strings. How it travels is told in [bus.md](bus.md).

## What is accepted

- A body has at most ${MAX_BODY_BYTES / 1024} KiB and ${MAX_JSON_VALUES} values. A field that is not known, and a key that is given twice, are refused.
  \`null\` means absent.
- All problems are told at once, each with the path of its field (\`spec.addresses[1].ip\`): the first ${MAX_LISTED_VIOLATIONS}, and how many
  there are.
- Names and tenants are RFC 1123 labels: 1-63 of \`a-z\`, \`0-9\`, \`-\`, starting and ending with a letter or digit.
- IP addresses, prefixes and MAC addresses are accepted in every usual spelling and kept in one: RFC 5952 for IPv6, lower
  case with colons for MAC addresses. Leading zeros, zones (\`%eth0\`) and dotted IPv4 inside IPv6 are refused.
- \`status\` and \`metadata.generation\` are ignored, so that what was read can be changed and sent back.
- \`metadata.uid\` and \`metadata.resourceVersion\`, when they are given, are preconditions: if the resource that is there has
  others, the intent is refused with ABORTED (\`UID_MISMATCH\`, \`STALE\`). Read again and decide anew.
- A change of an immutable field is refused with INVALID_ARGUMENT (\`IMMUTABLE_FIELD\`).
- Deleting what another resource references is refused, naming the users.

## Conditions

\`status.conditions\` has one entry for each type that the kind lists, and \`Ready\`. \`Ready\` is True when all others are, with
the reason of \`Applied\` (or of the last, in kinds without it); otherwise it has status, reason and message of the first
that is not True, in the order ${CONDITION_TYPES.slice(0, -1).join(', ')}. \`lastTransitionTime\` changes with \`status\` only. Types and
reasons are closed sets; more may be added, so clients must bear with reasons that they do not know.`;

const metadataSection = (comments: Comments): string => {
  const [kind] = KINDS;
  const field = kind?.schema.field.metadata;
  if (field?.message === undefined) throw new Error('resources have no metadata');
  return `## Metadata\n\n${fieldTable(field.message, 'metadata', comments)}`;
};

function section(kind: AnyKind, comments: Comments): string {
  const { spec, status } = kind.schema.field;
  if (spec?.message === undefined || status?.message === undefined)
    throw new Error(`${kind.kind} is no resource`);
  const tenant = kind.scope === 'tenant' ? '<tenant>' : '_';
  return [
    `## ${kind.kind}`,
    kind.summary,
    `\`${apiVersionOf(kind)}\`; ${kind.scope === 'tenant' ? 'lives in a tenant' : 'belongs to no tenant'}; subjects \`...${tenant}.${kind.api}.${kindToken(kind)}.<name>\`.`,
    `\`\`\`yaml\n${exampleOf(kind).trimEnd()}\n\`\`\``,
    `### Spec of ${kind.kind}`,
    fieldTable(spec.message, 'spec', comments),
    `### Rules of ${kind.kind}`,
    rulesOf(kind)
      .map((rule) => `- ${rule}`)
      .join('\n'),
    `### Status of ${kind.kind}`,
    fieldTable(status.message, 'status', comments),
    `### Conditions of ${kind.kind}`,
    conditionTable(kind),
  ].join('\n\n');
}

const exampleOf = (kind: AnyKind): string =>
  readFileSync(new URL(`../src/kinds/${kindToken(kind)}/example.yaml`, import.meta.url), 'utf8');

function rulesOf(kind: AnyKind): string[] {
  const code = (fields: readonly { readonly field: string }[]): string =>
    fields.map(({ field }) => `\`${field}\``).join(', ');
  const immutable = kind.immutable.length > 0 ? [`Immutable: ${code(kind.immutable)}.`] : [];
  const references = referencesOf(kind);
  const filters = [{ field: 'metadata.name' }, ...kind.selectable];
  return [
    ...immutable,
    ...references,
    ...kind.rules,
    `Lists can be filtered by labels and by ${code(filters)}.`,
  ];
}

/** What the example of the kind references: examples name everything that can be named. */
function referencesOf(kind: AnyKind): string[] {
  const { spec } = unwrap(parseManifest(parse(exampleOf(kind))));
  const rules = kind.references(spec).map(({ field, kind: named }) => {
    const path = field.replaceAll(/\[\d+\]/g, '[]');
    return `\`${path}\` names a ${named} that must exist, and that cannot be deleted meanwhile.`;
  });
  return [...new Set(rules)];
}

interface DocumentedField {
  readonly path: string;
  readonly field: DescField;
}

/** The fields of a message and of the messages in it, in order. */
function fieldsOf(message: DescMessage, prefix: string): DocumentedField[] {
  return message.fields.flatMap((field): DocumentedField[] => {
    const path = `${prefix}.${field.jsonName}${field.fieldKind === 'list' ? '[]' : ''}`;
    if (path === 'status.conditions[]') return [];
    // What is any JSON has no fields that could be told.
    const isAny = field.message?.typeName === 'google.protobuf.Struct';
    const inner = field.message === undefined || isAny ? [] : fieldsOf(field.message, path);
    return [{ path, field }, ...inner];
  });
}

function fieldTable(message: DescMessage, prefix: string, comments: Comments): string {
  const rows = fieldsOf(message, prefix).map(({ path, field }) => {
    const own = comments.get(nameOf(field));
    const comment = own ?? (field.message && comments.get(field.message.typeName)) ?? '';
    return [`\`${path}\``, typeOf(field), comment];
  });
  return table(['field', 'type', 'meaning and rule'], rows);
}

const nameOf = (field: DescField): string => `${field.parent.typeName}.${field.name}`;

function typeOf(field: DescField): string {
  if (field.fieldKind === 'map') return 'map of string';
  const scalar = field.scalar === undefined ? 'enum' : ScalarType[field.scalar];
  const single = field.message === undefined ? scalar?.toLowerCase() : 'object';
  return field.fieldKind === 'list' ? `list of ${single}` : `${single}`;
}

const conditionTable = (kind: AnyKind): string =>
  table(
    ['type', 'reason', 'status', 'meaning'],
    Object.entries(kind.reasons).flatMap(([type, reasons]) =>
      Object.entries(reasons).map(([reason, { status, text }]) => [type, `\`${reason}\``, status, text]),
    ),
  );

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function commentsOf(protos: FileDescriptorSet): Comments {
  const comments = new Map<string, string>();
  for (const file of protos.file) {
    const names = namesOf(file.package, file.messageType);
    for (const { path, leadingComments } of file.sourceCodeInfo?.location ?? []) {
      const name = names.get(path.join('.'));
      if (name !== undefined && leadingComments !== '') {
        comments.set(name, leadingComments.trim().replaceAll(/\s*\n\s*/g, ' '));
      }
    }
  }
  return comments;
}

/** Full names by the path of SourceCodeInfo: message_type is field 4 of a file, field is field 2 of a message. */
function namesOf(packageName: string, messages: readonly DescriptorProto[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const [index, message] of messages.entries()) {
    const typeName = `${packageName}.${message.name}`;
    names.set(`4.${index}`, typeName);
    for (const [position, field] of message.field.entries()) {
      names.set(`4.${index}.2.${position}`, `${typeName}.${field.name}`);
    }
  }
  return names;
}
