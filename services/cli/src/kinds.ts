import { AppError, err, ok, type Result } from '@outboard/core';
import { type AnyKind, KINDS, kindToken } from '@outboard/model';

/** How people write a kind: `port`, `ports`, `Port`. */
export function kindByArgument(text: string): Result<AnyKind, AppError> {
  const lower = text.toLowerCase();
  const kind = KINDS.find((each) => lower === kindToken(each) || lower === pluralOf(each));
  if (kind) return ok(kind);
  const description = `${JSON.stringify(text)} is no kind; the kinds are ${KINDS.map(pluralOf).join(', ')}`;
  return err(AppError.invalid([{ field: 'KIND', description }]));
}

export const pluralOf = (kind: AnyKind): string => `${kindToken(kind)}s`;

/** `port/web-0`, or `port web-0` as two arguments. */
export function resourceArguments(
  args: readonly string[],
): Result<{ kind: AnyKind; names: string[] }, AppError> {
  const [first = '', ...rest] = args;
  const slash = first.indexOf('/');
  const kind = kindByArgument(slash < 0 ? first : first.slice(0, slash));
  if (!kind.ok) return kind;
  return ok({ kind: kind.value, names: slash < 0 ? rest : [first.slice(slash + 1), ...rest] });
}
