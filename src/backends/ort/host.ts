import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';

/**
 * What 8-bit arithmetic the processor has: `vnni` and `amx` sum u8·s8 products in 32 bits, `avx512` and `avx2` alone in
 * 16 bits that full-range weights saturate, `arm` multiplies s8·s8. `other` is unknown: to be treated like `avx2`.
 */
export type CpuKind = 'avx2' | 'avx512' | 'vnni' | 'amx' | 'arm' | 'other';

export type HostCpu = {
  /** As Node names it: `x64`, `arm64`. */
  readonly arch: string;
  readonly kind: CpuKind;
  readonly model: string;
  /** Cores this process may use, hyperthreads counted. */
  readonly cores: number;
};

/**
 * The processor of this machine. Linux and macOS tell its instruction sets; Windows tells them to native code only, so
 * that an x64 machine there is `other`. Never throws.
 */
export function hostCpu(): HostCpu {
  const { arch } = process;
  const model = os.cpus()[0]?.model.trim();
  const found = process.platform === 'darwin' ? cpuFromSysctl(readSysctl(), arch) : cpuFromCpuinfo(readCpuinfo(), arch);
  return {
    arch,
    kind: found.kind,
    model: found.model ?? (model && model !== 'unknown' ? model : arch),
    cores: os.availableParallelism(),
  };
}

export type FoundCpu = { readonly kind: CpuKind; readonly model?: string };

/** From the text of Linux's `/proc/cpuinfo`; `arch` is Node's, since Arm kernels state none. */
export function cpuFromCpuinfo(text: string, arch: string): FoundCpu {
  const field = (name: string) => new RegExp(`^${name}[ \\t]*:[ \\t]*(.+)$`, 'm').exec(text)?.[1]?.trim();
  return found(kindOf((field('flags') ?? '').split(' '), arch), field('model name'));
}

/**
 * From what `sysctl machdep.cpu` prints on macOS: upper-case names, without underscores.
 */
export function cpuFromSysctl(text: string, arch: string): FoundCpu {
  const field = (name: string) => new RegExp(`^machdep\\.cpu\\.${name}: (.+)$`, 'm').exec(text)?.[1]?.trim() ?? '';
  const names = `${field('features')} ${field('leaf7_features')}`.split(/\s+/);
  const flags = names.map((name) => linuxFlags[name]).filter((flag) => flag !== undefined);
  return found(kindOf(flags, arch), field('brand_string') || undefined);
}

const found = (kind: CpuKind, model: string | undefined): FoundCpu => ({ kind, ...(model !== undefined && { model }) });

const linuxFlags: Readonly<Record<string, string>> = {
  AVX2: 'avx2',
  AVX512F: 'avx512f',
  AVX512VNNI: 'avx512_vnni',
  AVX512_VNNI: 'avx512_vnni',
};

function kindOf(flags: readonly string[], arch: string): CpuKind {
  if (arch === 'arm64' || arch === 'arm') return 'arm';
  const has = (...wanted: readonly string[]) => wanted.some((flag) => flags.includes(flag));
  if (has('amx_int8')) return 'amx';
  if (has('avx512_vnni', 'avx_vnni')) return 'vnni';
  if (has('avx512f')) return 'avx512';
  return has('avx2') ? 'avx2' : 'other';
}

function readCpuinfo(): string {
  try {
    return fs.readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}

function readSysctl(): string {
  try {
    return execFileSync('/usr/sbin/sysctl', ['machdep.cpu'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}
