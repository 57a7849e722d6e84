import { create } from '@bufbuild/protobuf';
import {
  type LabelRequirement as LabelRequirementMessage,
  type LabelSelector as LabelSelectorMessage,
  LabelSelectorSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { all, atMost, oneOf, required } from './fields.js';
import { type Labels, labelKeyProblem, labelValueProblem } from './values.js';

/** Requirements of one selector, both sorts together. */
export const MAX_LABEL_REQUIREMENTS = 16;
export const MAX_LABEL_VALUES = 32;

export const LABEL_OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;
export type LabelOperator = (typeof LABEL_OPERATORS)[number];

export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  /** Of `In` and `NotIn`. */
  readonly values: readonly string[];
}

/** As in Kubernetes: every requirement must hold; without requirements everything is selected. */
export interface LabelSelector {
  readonly matchLabels: Labels;
  readonly matchExpressions: readonly LabelRequirement[];
}

const parseOperator = oneOf(LABEL_OPERATORS);

export function parseLabelSelectorMessage(
  { matchLabels, matchExpressions }: LabelSelectorMessage,
  field: string,
  problems: Problems,
): LabelSelector | undefined {
  const pairs = Object.entries(matchLabels);
  const total = pairs.length + matchExpressions.length;
  if (total > MAX_LABEL_REQUIREMENTS) {
    problems.add(field, `must have at most ${MAX_LABEL_REQUIREMENTS} requirements, not ${total}`);
  }
  for (const [key, value] of pairs) {
    const problem = labelKeyProblem(key) ?? labelValueProblem(value);
    if (problem !== undefined) problems.add(`${field}.matchLabels[${JSON.stringify(key)}]`, problem);
  }
  const requirements = all(
    matchExpressions.map((requirement, index) =>
      parseRequirement(requirement, `${field}.matchExpressions[${index}]`, problems),
    ),
  );
  return requirements && { matchLabels: { ...matchLabels }, matchExpressions: requirements };
}

function parseRequirement(
  { key, operator: text, values }: LabelRequirementMessage,
  field: string,
  problems: Problems,
): LabelRequirement | undefined {
  const keyProblem = labelKeyProblem(key);
  if (keyProblem !== undefined) problems.add(`${field}.key`, keyProblem);
  const operator = required(problems, `${field}.operator`, text, parseOperator);
  const takesValues = operator === 'In' || operator === 'NotIn';
  if (takesValues && values.length === 0) problems.add(`${field}.values`, `is required with ${operator}`);
  if (operator !== undefined && !takesValues && values.length > 0) {
    problems.add(`${field}.values`, `must be absent with ${operator}`);
  }
  atMost(problems, `${field}.values`, values, MAX_LABEL_VALUES);
  for (const [index, value] of values.entries()) {
    const problem = labelValueProblem(value);
    if (problem !== undefined) problems.add(`${field}.values[${index}]`, problem);
  }
  return operator && { key, operator, values: [...values] };
}

export const labelSelectorToMessage = ({
  matchLabels,
  matchExpressions,
}: LabelSelector): LabelSelectorMessage =>
  create(LabelSelectorSchema, {
    matchLabels: { ...matchLabels },
    matchExpressions: matchExpressions.map(({ key, operator, values }) => ({
      key,
      operator,
      values: [...values],
    })),
  });

/** Whether a resource with these labels is selected. */
export const selectsLabels = ({ matchLabels, matchExpressions }: LabelSelector, labels: Labels): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labelOf(labels, key) === value) &&
  matchExpressions.every((requirement) => holds(requirement, labelOf(labels, requirement.key)));

const labelOf = (labels: Labels, key: string): string | undefined =>
  Object.hasOwn(labels, key) ? labels[key] : undefined;

function holds({ operator, values }: LabelRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

/** A text that is equal for selectors that say the same in another order. */
export function labelSelectorText({ matchLabels, matchExpressions }: LabelSelector): string {
  const texts = [
    ...Object.entries(matchLabels).map(([key, value]) => requirementText(key, 'In', [value])),
    ...matchExpressions.map(({ key, operator, values }) => requirementText(key, operator, values)),
  ];
  return [...new Set(texts)].sort().join(';');
}

const requirementText = (key: string, operator: LabelOperator, values: readonly string[]): string =>
  `${key} ${operator} ${[...new Set(values)].sort().join(',')}`;
