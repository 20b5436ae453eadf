import { describe, expect, it } from 'vitest';
import { cpuFromCpuinfo, cpuFromSysctl, hostCpu } from '../../../src/backends/ort/host.js';

const cpuinfo = (model: string, flags: string): string =>
  `processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: ${model}\nstepping\t: 1\nflags\t\t: fpu sse4_2 ${flags}\nbugs\t\t: avx512_vnni\n\nprocessor\t: 1\n`;

describe('the kind of processor', () => {
  it.each([
    ['Intel(R) Core(TM) i7-6700', 'avx f16c avx2', 'avx2'],
    ['Intel(R) Xeon(R) Platinum 8124M', 'avx avx2 avx512f avx512dq avx512bw avx512vl', 'avx512'],
    ['Intel(R) Xeon(R) Platinum 8259CL', 'avx avx2 avx512f avx512bw avx512vl avx512_vnni', 'vnni'],
    ['12th Gen Intel(R) Core(TM) i5-12400', 'avx avx2 avx_vnni', 'vnni'],
    ['Intel(R) Xeon(R) Platinum 8480C', 'avx2 avx512f avx_vnni avx512_vnni amx_bf16 amx_tile amx_int8', 'amx'],
    ['Intel(R) Xeon(R) with bfloat16 tiles only', 'avx2 avx512f avx512_vnni amx_bf16 amx_tile', 'vnni'],
    ['Intel(R) Xeon(R) E5-2670', 'avx', 'other'],
  ])('is read from the flags of %s', (model, flags, kind) => {
    expect(cpuFromCpuinfo(cpuinfo(model, flags), 'x64')).toEqual({ kind, model });
  });

  it('is arm on Arm, whose cpuinfo states other things', () => {
    const text = 'processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd aes asimddp i8mm\nCPU part\t: 0xd40\n';
    expect(cpuFromCpuinfo(text, 'arm64')).toEqual({ kind: 'arm' });
  });

  it('is other where nothing can be read', () => {
    expect(cpuFromCpuinfo('', 'x64')).toEqual({ kind: 'other' });
    expect(cpuFromSysctl('', 'x64')).toEqual({ kind: 'other' });
  });

  it.each([
    ['AVX2 BMI2 ERMS', 'avx2'],
    ['AVX2 AVX512F AVX512BW', 'avx512'],
    ['AVX2 AVX512F AVX512VNNI', 'vnni'],
    ['BMI1', 'other'],
  ])('is read from the macOS features %s', (features, kind) => {
    const text = `machdep.cpu.brand_string: Intel(R) Core(TM) i9\nmachdep.cpu.features: FPU AVX1.0\nmachdep.cpu.leaf7_features: ${features}\n`;
    expect(cpuFromSysctl(text, 'x64')).toEqual({ kind, model: 'Intel(R) Core(TM) i9' });
  });

  it('is arm on Apple silicon', () => {
    expect(cpuFromSysctl('machdep.cpu.brand_string: Apple M2\n', 'arm64')).toEqual({ kind: 'arm', model: 'Apple M2' });
  });
});

describe('the processor of this machine', () => {
  it('has a name and cores', () => {
    const cpu = hostCpu();
    expect(cpu.arch).toBe(process.arch);
    expect(cpu.model.length).toBeGreaterThan(0);
    expect(cpu.cores).toBeGreaterThan(0);
    if (process.arch === 'arm64') expect(cpu.kind).toBe('arm');
  });
});
