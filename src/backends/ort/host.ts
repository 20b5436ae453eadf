export const hostCpu = (): { kind: string } => ({ kind: 'vnni' });
