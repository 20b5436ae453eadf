import { spawnSync } from 'node:child_process';
import path from 'node:path';

const repository = path.resolve(import.meta.dirname, '../..');

export const commandFile = path.join(repository, 'dist/cli/main.js');

export type CliResult = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs the built command in a process of its own. */
export function runCli(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): CliResult {
  const { status, stdout, stderr } = spawnSync(process.execPath, [commandFile, ...args], {
    cwd: options.cwd ?? repository,
    env: { ...process.env, ...options.env },
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { code: status, stdout, stderr };
}

export const fixture = (name: string): string => path.join(repository, 'fixtures', name);
