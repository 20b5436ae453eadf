/** Columns aligned with spaces; numbers to the right. The first row is the heading. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const isNumeric = widths.map((_, column) => rows.slice(1).every((row) => /^[-+]?[\d.∞]/.test(row[column] ?? '')));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (isNumeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd();
  const [heading, ...body] = rows;
  if (heading === undefined) return '';
  return [line(heading), widths.map((size) => '─'.repeat(size)).join('  '), ...body.map(line)].join('\n');
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = -1;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}

export const formatNumber = (value: number): string =>
  value === 0 ? '0' : Number.isFinite(value) ? value.toPrecision(3) : value > 0 ? '∞' : String(value);

/** JSON with bigint as number and what JSON cannot hold as text, so that a reader sees it. */
export const toJson = (value: unknown): string =>
  JSON.stringify(
    value,
    (_key, item: unknown) => {
      if (typeof item === 'bigint') return Number(item);
      if (typeof item === 'number' && !Number.isFinite(item)) return String(item);
      if (item instanceof Map) return Object.fromEntries(item);
      return item;
    },
    2,
  );
