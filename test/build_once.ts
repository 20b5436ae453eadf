import { execFileSync } from 'node:child_process';
import path from 'node:path';

/** The command and the package are tested as they are built: once, before any test. */
export function setup(): void {
  const repository = path.resolve(import.meta.dirname, '..');
  const tsc = path.join(repository, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: repository, stdio: 'inherit' });
}
