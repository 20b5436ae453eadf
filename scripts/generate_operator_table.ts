/**
 * Writes the operator tables from the recorded facts: `npm run generate -- <facts folder>`, by default `../shared/facts`
 * beside the repository.
 */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { defaultFactsFolder, generateOperatorTables, repositoryRoot } from './operator_table/generate.js';

const [folder] = process.argv.slice(2);
for (const { path, text } of await generateOperatorTables(folder ? resolve(folder) : defaultFactsFolder)) {
  await writeFile(join(repositoryRoot, path), text);
  console.log(`${path}: ${text.length} bytes`);
}
