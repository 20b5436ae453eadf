import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join, relative, resolve, sep } from 'node:path';
import { DiagnosticError } from '../../ir/diagnostic.js';
import type { DataFile } from './file_bytes.js';
import { compareNatural } from './natural_order.js';

export type FileKind = 'npy' | 'npz' | 'pb' | 'image' | 'module';

const kinds: Readonly<Record<string, FileKind>> = {
  '.npy': 'npy',
  '.npz': 'npz',
  '.pb': 'pb',
  '.png': 'image',
  '.jpg': 'image',
  '.jpeg': 'image',
  '.webp': 'image',
  '.js': 'module',
  '.mjs': 'module',
  '.ts': 'module',
};

export const fileKind = (path: string): FileKind | undefined => {
  const extension = extname(path).toLowerCase();
  return Object.hasOwn(kinds, extension) ? kinds[extension] : undefined;
};

const readable = '.npy, .npz, .pb, .png, .jpg, .jpeg, .webp';

/** `origin` tells one file that was named from files that were found: only the former may be a module, which is run. */
export type FileList = { readonly origin: 'file' | 'folder' | 'glob'; readonly files: readonly DataFile[] };

/**
 * The data files that a path or a glob stands for, in natural order of their names. A path that exists is taken as it
 * is, brackets and all. A folder gives the files in it and its subfolders; hidden ones, links to folders and files of
 * other kinds are passed over, links to files are followed. A glob follows links of both kinds.
 * @throws DiagnosticError `data/not-found`, `data/empty`, `data/unknown-format`.
 */
export async function listFiles(spec: string, cwd: string): Promise<FileList> {
  const path = resolve(cwd, spec);
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isDirectory()) {
    const files = await walk(path, path);
    return { origin: 'folder', files: ordered(files, spec) };
  }
  if (stats !== undefined) {
    if (fileKind(path) === undefined) {
      throw new DiagnosticError({
        code: 'data/unknown-format',
        message: 'no sample data are read from a file of this kind',
        where: spec,
        help: `Give ${readable}, or a module (.js, .mjs, .ts)`,
      });
    }
    return { origin: 'file', files: [{ path, name: basename(path) }] };
  }
  const { glob, isDynamicPattern } = await import('tinyglobby');
  if (!isDynamicPattern(spec)) {
    throw new DiagnosticError({
      code: 'data/not-found',
      message: 'no such file or folder',
      where: spec,
      help: `Give a folder, a file or a glob of sample data (${readable}), a module, or the word random`,
    });
  }
  const found = await glob(spec, { cwd, absolute: true, expandDirectories: false });
  return {
    origin: 'glob',
    files: ordered(
      found.map((match) => dataFile(cwd, resolve(match))),
      spec,
    ),
  };
}

const dataFile = (root: string, path: string): DataFile => ({
  path,
  name: relative(root, path).split(sep).join('/'),
});

/** Names come from the folder itself, so none leads out of it. */
async function walk(root: string, folder: string): Promise<DataFile[]> {
  const files: DataFile[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await walk(root, path)));
    else if (entry.isFile() || entry.isSymbolicLink()) files.push(dataFile(root, path));
  }
  return files;
}

function ordered(files: readonly DataFile[], spec: string): DataFile[] {
  const data = files.filter(({ path }) => {
    const kind = fileKind(path);
    return kind !== undefined && kind !== 'module';
  });
  if (data.length === 0) {
    throw new DiagnosticError({
      code: 'data/empty',
      message: 'no sample data here',
      where: spec,
      help: `Give a place that holds ${readable}`,
    });
  }
  return data.sort((a, b) => compareNatural(a.name, b.name));
}
