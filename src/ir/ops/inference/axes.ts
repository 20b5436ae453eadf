/** An axis counted from the end made positive; undefined where it is out of range. */
export function normalAxis(axis: number, rank: number): number | undefined {
  const normal = axis < 0 ? axis + rank : axis;
  return normal >= 0 && normal < rank ? normal : undefined;
}

/** Every axis made positive; undefined where one is out of range or stands twice. */
export function normalAxes(axes: readonly number[], rank: number): number[] | undefined {
  const normal = axes.map((axis) => normalAxis(axis, rank));
  if (normal.some((axis) => axis === undefined) || new Set(normal).size < normal.length) return undefined;
  return normal.filter((axis) => axis !== undefined);
}
