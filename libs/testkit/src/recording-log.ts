/** A log that a test can read. */
export class RecordingLog {
  readonly lines: { readonly level: string; readonly facts: object; readonly sentence: string }[] = [];
  /** Called after each line. */
  onLine: () => void = () => {};

  debug = this.#level('debug');
  info = this.#level('info');
  warn = this.#level('warn');
  error = this.#level('error');

  at(level: string): readonly string[] {
    return this.lines.filter((line) => line.level === level).map(({ sentence }) => sentence);
  }

  #level(level: string): (facts: object, sentence: string) => void {
    return (facts, sentence) => {
      this.lines.push({ level, facts, sentence });
      this.onLine();
    };
  }
}
