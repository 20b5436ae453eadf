export type ScalingPoint = { readonly nodes: number; readonly seconds: number };

const height = 12;
const width = 60;

/**
 * Seconds over nodes, both axes logarithmic, as text. Dots stand for linear growth from the first point on: a point
 * above them grew faster.
 */
export function scalingChart(points: readonly ScalingPoint[]): string {
  const first = points[0]!;
  const last = points.at(-1)!;
  const linear = (nodes: number) => (first.seconds * nodes) / first.nodes;
  const most = Math.max(linear(last.nodes), ...points.map(({ seconds }) => seconds));
  const column = (nodes: number) => place(nodes, first.nodes, last.nodes, width);
  const row = (seconds: number) => height - 1 - place(seconds, first.seconds, most, height);
  const cells = Array.from({ length: height }, () => new Array<string>(width).fill(' '));
  for (let at = 0; at < width; at += 1) {
    const nodes = first.nodes * (last.nodes / first.nodes) ** (at / (width - 1));
    cells[row(linear(nodes))]![at] = '·';
  }
  for (const { nodes, seconds } of points)
    cells[row(Math.min(most, Math.max(first.seconds, seconds)))]![column(nodes)] = '●';
  const lines = cells.map((line, index) => {
    const label = index === 0 ? `${most.toFixed(1)} s` : index === height - 1 ? `${first.seconds.toFixed(1)} s` : '';
    return `${label.padStart(9)} │${line.join('')}`;
  });
  const from = first.nodes.toLocaleString('en');
  const to = last.nodes.toLocaleString('en');
  const axis = `${' '.repeat(9)} └${'─'.repeat(width)}\n${' '.repeat(11)}${from}${`${to} nodes`.padStart(width - from.length)}`;
  return `${lines.join('\n')}\n${axis}\n`;
}

/** Where `value` lies between two others on a logarithmic scale of `cells` cells. */
function place(value: number, low: number, high: number, cells: number): number {
  if (high <= low) return 0;
  return Math.min(cells - 1, Math.max(0, Math.round((Math.log(value / low) / Math.log(high / low)) * (cells - 1))));
}
