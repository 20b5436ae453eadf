import path from 'node:path';
import { formatTable } from '../../src/cli/table.js';
import { inferModel } from './infer_model.js';
import { requiredShare } from './stored_report.js';

/** Compares every intermediate of models with what ONNX Runtime computes, prints a line a model, and gives what failed. */
export async function reportModels(files: readonly string[]): Promise<string[]> {
  const failures: string[] = [];
  const rows: string[][] = [];
  let [known, settled] = [0, 0];
  for (const file of files) {
    const name = path.basename(file);
    const verdict = await inferModel(file);
    if (typeof verdict === 'string') {
      rows.push([name, '-', '-', '-', '-', '-', `does not run: ${verdict.slice(0, 80)}`]);
      continue;
    }
    const { values, runs, wrong, open, dims, ofBranch, roots } = verdict;
    known += verdict.known;
    settled += dims - ofBranch;
    failures.push(...wrong.map((text) => `${name}: ${text}`));
    if (open > 0) failures.push(`${name}: of ${open} values not even the rank is known`);
    const unknown = [
      ...(ofBranch > 0 ? [`If: ${ofBranch}, by the branch that sizes choose`] : []),
      ...[...roots].map(([root, count]) => `${root}: ${count}`),
    ];
    const counts = [values, runs, dims, verdict.known, wrong.length].map(String);
    rows.push([name, ...counts, unknown.join(', ')]);
  }
  const share = known / Math.max(1, settled);
  console.log(
    `\nintermediates of ${rows.length} models: ${known} of ${settled} dimensions known that the sizes of inputs decide ` +
      `alone, ${(share * 100).toFixed(2)} %`,
  );
  console.log(formatTable([['model', 'values', 'sizes', 'dimensions', 'known', 'wrong', 'unknown'], ...rows]));
  if (share < requiredShare) failures.push(`less than ${requiredShare * 100} % of the dimensions are known`);
  return failures;
}
