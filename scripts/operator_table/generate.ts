import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpuKernelsText } from './cpu_kernels_text.js';
import { readFacts } from './facts.js';
import { operatorTableText } from './operator_table_text.js';

export type GeneratedFile = {
  /** Relative to the repository's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
};

export const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url));

export const defaultFactsFolder = join(repositoryRoot, '..', 'shared', 'facts');

/** The texts of both generated tables. The same facts give the same bytes. */
export async function generateOperatorTables(factsFolder: string): Promise<readonly GeneratedFile[]> {
  const facts = await readFacts(factsFolder);
  return [
    { path: 'src/ir/ops/operator_table.generated.ts', text: operatorTableText(facts) },
    { path: 'src/backends/ort/cpu_kernels.generated.ts', text: cpuKernelsText(facts) },
  ];
}
