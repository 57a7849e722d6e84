import { printable } from '../failure.js';

const GAP = '   ';

/** The width of each column: that of its widest cell. */
export function widthsOf(rows: readonly (readonly string[])[]): readonly number[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return widths;
}

/** A line with cells in columns of these widths; a cell that is wider moves the rest. */
export const formatRow = (cells: readonly string[], widths: readonly number[]): string =>
  cells
    .map((cell, column) => printable(cell).padEnd(widths[column] ?? 0))
    .join(GAP)
    .trimEnd();

/** Lines with aligned columns. */
export function formatTable(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = widthsOf(rows);
  return rows.map((row) => formatRow(row, widths));
}
