import path from 'node:path';
import { formatTable } from '../../src/cli/table.js';
import type { DrawOptions } from './draw_case.js';
import { drawAll } from './draw_pool.js';

/** The rest of the machine waits for these. */
const processes = 2;

/** Draws input sizes for node tests, prints how many agreed with ONNX Runtime, and gives what failed. */
export async function reportDraws(
  folders: readonly string[],
  options: DrawOptions,
  verbose: boolean,
): Promise<string[]> {
  const answers = await drawAll(folders, options, processes);
  const failures: string[] = [];
  const reasons = new Map<string, number>();
  const ended: string[] = [];
  let [agreed, refused, tests] = [0, 0, 0];
  const count = (reason: string) => reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  for (const [folder, answer] of answers) {
    const name = path.basename(folder);
    if (answer.kind === 'ended') ended.push(`${name} (${answer.reason})`);
    else if (answer.kind === 'failed') failures.push(`${name}: ${answer.message}`);
    else {
      const { counts } = answer;
      agreed += counts.agreed;
      refused += counts.refused.length;
      tests += counts.agreed > 0 ? 1 : 0;
      for (const reason of counts.departed) count(reason);
      if (verbose) for (const reason of counts.refused) console.log(`refused ${name}: ${reason.slice(0, 200)}`);
      failures.push(...[...new Set(counts.wrong)].map((text) => `${name}, seed ${options.seed}: ${text}`));
    }
  }
  console.log(
    `\ndrawn sizes, seed ${options.seed}: ${agreed} draws of ${tests} node tests agreed with ONNX Runtime, ` +
      `it refused ${refused}; ${failures.length} wrong`,
  );
  if (ended.length > 0) console.log(`its process ended, or came to no end, in ${ended.length}: ${ended.join(', ')}`);
  const rows = [...reasons].sort((a, b) => b[1] - a[1]).map(([reason, times]) => [reason, String(times)]);
  if (rows.length > 0) console.log(formatTable([['where the runtime departs from the standard', 'outputs'], ...rows]));
  if (agreed === 0) failures.push('no draw agreed');
  return failures;
}
