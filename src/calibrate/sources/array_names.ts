import type { InputSpec } from './source.js';

/** What a file name cannot hold on some system; input names use `/` and `:` freely. */
const unsafe = /[/\\:*?"<>|]/g;

/** The input that each file name (without `.npy`) may stand for: its name, or its name with `_` for unsafe letters. */
export function inputFileNames(inputs: readonly InputSpec[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const clashes = new Set<string>();
  for (const { name } of inputs) {
    const safe = name.replace(unsafe, '_');
    if (names.has(safe)) clashes.add(safe);
    names.set(safe, name);
  }
  for (const clash of clashes) names.delete(clash);
  for (const { name } of inputs) names.set(name, name);
  return names;
}

/**
 * Takes `<sample>.<input>` or `<input>` apart. The whole text comes first, then the longest name an input has.
 * @returns undefined where no input is named.
 */
export function parseArrayName(
  stem: string,
  names: ReadonlyMap<string, string>,
): { readonly sample: string; readonly input: string } | undefined {
  const whole = names.get(stem);
  if (whole !== undefined) return { sample: '', input: whole };
  for (let dot = stem.indexOf('.'); dot !== -1; dot = stem.indexOf('.', dot + 1)) {
    const input = names.get(stem.slice(dot + 1));
    if (input !== undefined && dot > 0) return { sample: stem.slice(0, dot), input };
  }
  return undefined;
}
