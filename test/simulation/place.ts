/** Where a function's representor is. */
export interface Place {
  readonly dpu: string;
  readonly representor: string;
}
